"""Alert rules: promtool runs their cases, and rules, cases, runbooks and docs agree."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from poolserver.lookout import thresholds, troubles
from tests.unit.lookout.signs import WRONG

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs/prometheus"
RULES = FOLDER / "poolserver.rules.yml"
CASES = sorted((FOLDER / "tests").glob("*.yml"))
RUNBOOKS = ROOT / "docs/runbooks"
SECTIONS = ("What it means", "Lost meanwhile", "Look at", "Do", "Over when", "How it was tested")
# Troubles of the live page that are told by the alerts of what causes them.
TROUBLES_ALONE = {"not_ready"}
# Alerts that are no trouble of the live page: docs/alerts.md says why.
ALERTS_ALONE = {
    *("pool_down", "block_found", "block_orphaned", "block_rejected", "template_refused"),
    *("connections_refused", "mqtt_lost", "event_loop_lag", "energy_not_closed", "ledger_unsigned"),
}


def plain(number: float) -> str:
    return f"{number:.15g}"


DROP, SIGMAS = plain(thresholds.DROP), plain(thresholds.DROP_SIGMAS)
FREE = "poolserver_disk_free_bytes"
# What the expressions and the waits of alerts say of the thresholds that the live page has.
AGREED = [
    ("NoTemplate", f"poolserver_template_age_seconds > {plain(thresholds.STALE_S)}\n"),
    ("StaleTip", f"poolserver_template_age_seconds <= {plain(thresholds.STALE_S)}\n"),
    ("JournalLag", f"poolserver_journal_lag_seconds > {plain(thresholds.LAG_S)}"),
    ("DiskNearlyFull", f"{FREE} < {thresholds.DISK_FREE_BYTES >> 30} * 1024 ^ 3\n"),
    ("DiskNearlyFull", f"{FREE} < {plain(thresholds.DISK_SOON_FREE)} * poolserver_disk_size"),
    ("DiskFillsUp", f"{FREE} < {plain(thresholds.DISK_LATER_FREE)} * poolserver_disk_size"),
    ("DiskFillsUp", f"{FREE} < {plain(thresholds.DISK_FREE)} * poolserver_disk_size"),
    ("CertificateEnds", f"< {plain(thresholds.CERTIFICATE_S / 86_400)} * 86400\n"),
    ("CertificateEnds", f">= {plain(thresholds.CERTIFICATE_URGENT_S / 86_400)} * 86400\n"),
    ("CertificateEndsAtOnce", f"< {plain(thresholds.CERTIFICATE_URGENT_S / 86_400)} * 86400"),
    ("HashrateDrop", f"< ignoring (window) {DROP} *\n"),
    (
        "HashrateDrop",
        f'+ {SIGMAS} * poolserver_site_hashrate_sigma_hashes_per_second{{window="5m"}}',
    ),
    (
        "HashrateDrop",
        f'- {SIGMAS} * poolserver_site_hashrate_sigma_hashes_per_second{{window="6h"}}',
    ),
    ("HashrateDrop", f"poolserver_power_mining_watts >= {DROP} * min_over_time("),
    ("HashrateDrop", f"mining_room_watts[{plain(thresholds.ORDER_S / 60)}m]"),
    ("HashrateDrop", f"node) {plain(thresholds.UNEXPLAINED)} * label_replace("),
    ("RejectRatio", f"increase{plain(thresholds.REJECTS_S / 60)}m >= {thresholds.REJECTS_OF})"),
    ("RejectRatio", f"> {plain(100 * thresholds.REJECTED)}"),
    ("RigsSilent", f">= {thresholds.SILENT_RIGS}\n"),
    ("RigsSilent", f"> {plain(thresholds.SILENT)} * (poolserver_power_rigs +"),
    ("OverBudget", f"+ {plain(thresholds.OVER_SIGMAS)} * poolserver_power_sigma_watts < 0"),
    ("HeadroomLow", f"< {plain(thresholds.AT_LIMIT)} * poolserver_power_limit_watts"),
    ("ResidualHigh", f"> {plain(thresholds.RESIDUAL)} * poolserver_power_metered_watts"),
    ("ResidualHigh", f"> {plain(thresholds.RESIDUAL_SIGMAS)} * poolserver_power_estimated_sigma"),
]


@cache
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def cases() -> list[dict[str, Any]]:
    return [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]


def runbooks() -> dict[str, str]:
    pages = {path.stem: path.read_text() for path in RUNBOOKS.glob("*.md")}
    del pages["README"]
    return pages


def promtool(*arguments: str | Path) -> str:
    """What it says; it must be content."""
    own = ROOT / ".tools/prometheus/bin/promtool"
    program = os.environ.get("PROMTOOL") or shutil.which("promtool") or str(own)
    if not Path(program).exists():
        pytest.skip("promtool: none found; scripts/get-prometheus.sh fetches one")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.real
def test_promtool_has_nothing_against_rules_and_configuration() -> None:
    promtool("check", "rules", RULES)
    promtool("check", "config", FOLDER / "prometheus.yml")


@pytest.mark.real
def test_every_alert_fires_when_it_should_and_not_when_it_must_not() -> None:
    said = promtool("test", "rules", *CASES)
    assert said.count("SUCCESS") == len(CASES)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_still() -> None:
    checks = [check for case in cases() for check in case["alert_rule_test"]]
    fires = {check["alertname"] for check in checks if check["exp_alerts"]}
    still = {check["alertname"] for check in checks if not check["exp_alerts"]}
    assert fires == alerts().keys()
    assert still == alerts().keys()


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on(name: str) -> None:
    labels, said = alerts()[name]["labels"], alerts()[name]["annotations"]
    assert labels["severity"] in ("page", "ticket", "info")
    assert said.keys() == {"summary", "description", "runbook_url"}
    assert said["runbook_url"].endswith(f"docs/runbooks/{labels['code']}.md")
    assert said["runbook_url"].startswith("{{ $externalLabels.runbooks }}")


@pytest.mark.parametrize("name", alerts())
def test_an_alert_that_may_come_of_one_bad_scrape_waits_for_another(name: str) -> None:
    rule = alerts()[name]
    looks_back = re.search(r"increase\(|rate\(", rule["expr"])
    assert "for" in rule or looks_back


def test_every_alert_has_a_runbook_and_every_runbook_an_alert_or_a_trouble() -> None:
    codes = {rule["labels"]["code"] for rule in alerts().values()}
    assert runbooks().keys() == codes | TROUBLES_ALONE
    index = (RUNBOOKS / "README.md").read_text()
    assert set(re.findall(r"\]\((\w+)\.md\)", index)) == runbooks().keys()


def test_every_trouble_of_the_live_page_has_a_runbook() -> None:
    source = Path(troubles.__file__).read_text()
    codes = set(re.findall(r"(?:Trouble|_urgent|_ticket)\(\s*\"(\w+)\"", source))
    assert len(codes) > 15
    assert codes == runbooks().keys() - ALERTS_ALONE


@pytest.mark.parametrize(("code", "is_urgent"), sorted({case[:2] for case in WRONG}))
def test_what_is_urgent_on_the_live_page_pages_and_what_is_not_is_a_ticket(
    code: str, is_urgent: bool
) -> None:
    labels = [rule["labels"] for rule in alerts().values()]
    severities = {each["severity"] for each in labels if each["code"] == code}
    if code not in TROUBLES_ALONE:
        assert ("page" if is_urgent else "ticket") in severities


@pytest.mark.parametrize("name", alerts())
def test_an_alert_is_a_trouble_of_the_live_page_and_as_urgent_there(name: str) -> None:
    code, severity = alerts()[name]["labels"]["code"], alerts()[name]["labels"]["severity"]
    urgency = {(told, "page" if is_urgent else "ticket") for told, is_urgent, _ in WRONG}
    assert (code, severity) in urgency or code in ALERTS_ALONE


@pytest.mark.parametrize(("name", "says"), AGREED)
def test_page_and_alerts_have_the_same_thresholds(name: str, says: str) -> None:
    assert says in f"{alerts()[name]['expr']}\n"


def test_waits_and_looks_ahead_are_those_of_the_page() -> None:
    assert alerts()["BlockStuck"]["for"] == f"{thresholds.UNSETTLED_S / 60:.0f}m"
    ahead = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    for name, ahead_s, unit_s in (
        ("in4h", thresholds.DISK_SOON_S, 3600),
        ("in4d", thresholds.DISK_LATER_S, 86_400),
    ):
        expr = ahead[f"instance:poolserver_disk_free_bytes:{name}"]
        assert expr.endswith(f"], {ahead_s / unit_s:.0f} * {unit_s})")


def test_no_threshold_is_forgotten_here() -> None:
    """Each is agreed on above, but for those that the page alone needs."""
    named = set(re.findall(r"thresholds\.([A-Z_]+)", Path(__file__).read_text()))
    there = {name for name in vars(thresholds) if name.isupper()}
    assert there - named == {"FIRST_READING_S", "UNSPOOLED_S"}


@pytest.mark.parametrize("code", runbooks())
def test_a_runbook_has_all_that_somebody_at_night_needs(code: str) -> None:
    page = runbooks()[code]
    assert tuple(re.findall(r"^\*\*([^*]+)\.\*\* ", page, re.MULTILINE)) == SECTIONS
    named = dict(re.findall(r"`(\w+)` \((page|ticket|info)\)", page))
    mine = {n: r["labels"] for n, r in alerts().items() if r["labels"]["code"] == code}
    assert named == {name: labels["severity"] for name, labels in mine.items()}
    for path in re.findall(r"`((?:tests|configs)/[\w./]+)`", page):
        assert (ROOT / path).exists(), path


def test_a_runbook_names_metrics_and_log_events_that_there_are() -> None:
    metrics = (ROOT / "docs/metrics.md").read_text()
    events = (ROOT / "docs/operations.md").read_text()
    for code, page in runbooks().items():
        for metric in re.findall(r"`(poolserver_\w+)", page):
            assert metric in metrics or metric.startswith(TO_COME), (code, metric)
        for sentence in re.findall(r"log (?:for|says) ((?:`\w+`(?:,| and)? ?)+)", page):
            for event in re.findall(r"`(\w+)`", sentence):
                assert f"`{event}`" in events, (code, event)


def test_the_page_on_alerts_has_every_one_as_it_is() -> None:
    row = re.compile(
        r"^\| \[`(\w+)`\]\(runbooks/(\w+)\.md\) \| (\w+) \| .+? \| ([\w ]+) \| .+ \|$", re.M
    )
    told = {name: tuple(rest) for name, *rest in row.findall((ROOT / "docs/alerts.md").read_text())}
    assert told == {
        name: (rule["labels"]["code"], rule["labels"]["severity"], rule.get("for", "at once"))
        for name, rule in alerts().items()
    }


def test_a_name_begins_with_its_code() -> None:
    """So whoever knows a trouble finds its alert; `ledger_unsigned` is `LedgerUnsigned`."""
    for name, rule in alerts().items():
        begin = rule["labels"]["code"].title().replace("_", "")
        assert name.startswith(begin) or name in OTHERWISE, name


# Their codes name a thing, and the alerts what is wrong with it.
OTHERWISE: set[str] = {"DiskNearlyFull", "DiskFillsUp"}
# Families that rules and runbooks are ready for.
TO_COME = (
    "poolserver_disk_",
    "poolserver_event_loop_lag_seconds",
    "poolserver_journal_held_records",
    "poolserver_journal_lag_seconds",
    "poolserver_new_tip_to_rigs_seconds",
    "poolserver_submitblock_seconds",
)
