"""``poolserver simulate``: rigs that mine at a pool; ``poolserver simulate programme``: a whole
programme in simulated time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.table import Table

from poolserver.commands.common import console, fail, json_option, load, quiet_option, run_async
from poolserver.commands.progress import progress_bar
from poolserver.config import Endpoint
from poolserver.power.models import ModelError
from poolserver.sim.command import SimulationOptions, run_simulation
from poolserver.sim.site import SiteReport

if TYPE_CHECKING:  # it needs numpy
    from poolserver.sim.programme.report import EnergyRow, Report

MOST_TOLD = 20
EXAMPLE = Path("configs/programme-2000mw.toml")


@click.group(invoke_without_command=True)
@click.pass_context
@click.option("--pool", default="127.0.0.1:3333", show_default=True, metavar="HOST:PORT")
@click.option("--user", default="demo", show_default=True, help="The account; rigs add their name.")
@click.option("--password", default="x", show_default=True)
@click.option("--site", default="hall", show_default=True, help="Begins the rigs' names.")
@click.option("--rigs", default=10, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--model", default="S21", show_default=True, help="A miner model by its name.")
@click.option("--th-s", type=click.FloatRange(min=0, min_open=True), help="Instead of the model's.")
@click.option("--watts", type=click.FloatRange(min=0), help="Instead of the model's.")
@click.option(
    "--work-scale",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Hashes of a rig that one of the CPU stands for; as in the pool's config.",
)
@click.option("--pue", default=1.0, show_default=True, type=click.FloatRange(min=1))
@click.option("--seconds", type=click.FloatRange(min=1), help="End after so long.")
@click.option("--seed", default=1, show_default=True)
def simulate(context: click.Context, /, pool: str, **options: Any) -> None:
    """Let simulated rigs mine at a pool.

    They really hash, on the CPU.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        host, port = Endpoint.parse(pool)
        simulation = SimulationOptions(host=host, port=port, **options)
        report = run_async(run_simulation(simulation, _show_progress))
    except (ValueError, ModelError) as error:
        fail(str(error))
    if report.trouble and not report.shares_accepted:
        fail(report.trouble)
    click.echo(
        f"{report.shares_accepted} shares accepted, {report.shares_stale} stale, "
        f"{report.shares_rejected} rejected {report.reject_reasons or ''}"
    )


def _show_progress(report: SiteReport) -> None:
    line = (
        f"{report.elapsed_s:6.0f} s  {report.rigs_hashing}/{report.rigs} rigs hash  "
        f"{report.proven_hashrate_h_s / 1e12:.3g} TH/s proven  "
        f"{report.shares_accepted} accepted  {report.shares_stale} stale  "
        f"{report.shares_rejected} rejected"
    )
    trouble = report.behind or report.trouble
    click.echo(f"{line}  ({trouble})" if trouble else line, err=True)


@simulate.command()
@click.option(
    "--config", "path", default=EXAMPLE, show_default=True, type=click.Path(path_type=Path)
)
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.01, 8784))
@click.option("--seed", default=1, show_default=True, help="One seed, one day.")
@click.option(
    "--hold-out",
    multiple=True,
    metavar="PATTERN",
    help="Meters that the pool is not told of, as 'sahiwal' or '*'.",
)
@click.option("--node", default="/", show_default=True, help="What is drawn and written out.")
@click.option(
    "--watched",
    default=200,
    show_default=True,
    type=click.IntRange(0, 100_000),
    help="Rigs simulated one by one, for the watch for silent rigs.",
)
@click.option("--plot", "drawing", type=click.Path(path_type=Path), help="Draw the day: an SVG.")
@click.option("--out", type=click.Path(path_type=Path), help="A folder for report.json, day.csv.")
@json_option()
@quiet_option
def programme(
    path: Path,
    hours: float,
    seed: int,
    hold_out: tuple[str, ...],
    node: str,
    watched: int,
    drawing: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the sites of a configuration in simulated time, and hold the pool against the truth."""
    config = load(path)
    try:
        from poolserver.sim.programme.command import simulate_programme
    except ImportError as error:
        fail(f'this needs numpy: pip install "poolserver[simulation]" ({error})')
    try:
        with progress_bar("simulated", quiet=quiet) as progress:
            report, recorder = simulate_programme(
                config, hours, seed, hold_out, node, watched, progress
            )
        written = msgspec.json.format(msgspec.json.encode(report.plain()), indent=2).decode()
        if drawing is not None:
            drawing.write_text(recorder.svg(f"{config.programme.name}: {hours:g} h, seed {seed}"))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / "report.json").write_text(written + "\n")
            (out / "day.csv").write_text(recorder.csv())
    except (ValueError, OSError, ModelError) as error:
        fail(str(error))
    if as_json:
        click.echo(written)
        return
    screen = console()
    screen.print(_energy_table(report.energies))
    if report.overruns:
        screen.print(_overrun_table(report))
    for at_s, sentence in report.told[:MOST_TOLD]:
        click.echo(f"{_clock(at_s - report.begin_s)}  {sentence}")
    if len(report.told) > MOST_TOLD:
        click.echo(f"and {len(report.told) - MOST_TOLD} more, in report.json")
    _echo_watches(report)
    click.echo(
        f"{report.rigs:,} rigs at {report.nodes} nodes with {report.meters} meters: "
        f"{hours:g} h in {report.took_s:.1f} s of processor time, "
        f"{report.times_real:,.0f} times real time"
    )


def _clock(since_s: float) -> str:
    minutes, seconds = divmod(round(since_s), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"


def _echo_watches(report: "Report") -> None:
    silence = report.silence
    if silence.rig_days:
        found = f" after {silence.median_s:.0f} s (median)" if silence.median_s else ""
        click.echo(
            f"silent rigs: {silence.rig_days:,.0f} rig-days, {silence.false_alarms} false alarms, "
            f"{len(silence.found_s)} found{found}, {silence.missed} missed"
        )
    doubts = ", ".join(f"{count} {why}" for why, count in sorted(report.not_believed.items()))
    click.echo(
        f"meters: {report.readings:,} readings, not believed: {doubts or 'none'}; "
        f"silent for {report.silent_meters_s / 3600:.1f} hours in all; "
        f"energy lost or invented: {report.books_off_j} J"
    )


def _energy_table(rows: "Sequence[EnergyRow]") -> Table:
    table = Table("node", "energy", *("MWh", "true", "off", "± 95 %"), title="Energy")
    for column in table.columns[2:]:
        column.justify = "right"
    for row in rows:
        within = ""
        if row.sigma_percent is not None:
            within = f"{1.96 * row.sigma_percent:.1f} % {'holds' if row.is_inside else 'MISSES'}"
        told, true = f"{row.told_mwh:,.1f}", f"{row.true_mwh:,.1f}"
        table.add_row(row.node, row.how, told, true, f"{row.error_percent:+.2f} %", within)
    return table


def _overrun_table(report: "Report") -> Table:
    ways = sorted({way for each in report.overruns for way in each.shown_s})
    table = Table("node", "from", "MW over", *(f"shown by {way}" for way in ways), title="Overruns")
    for each in report.overruns:
        shown = [f"{each.shown_s[way]:.0f} s" if way in each.shown_s else "never" for way in ways]
        over_mw = (each.worst_w - each.limit_w) / 1e6
        table.add_row(each.node, _clock(each.began_s - report.begin_s), f"{over_mw:.1f}", *shown)
    return table
