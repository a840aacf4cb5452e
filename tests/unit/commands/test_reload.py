"""``poolserver reload``: what is asked, what is waited for, and what is said."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from poolserver.cli import main
from poolserver.commands import reload as module

OLD = {"config_sha256": "aa" * 32, "last_reload": None}
GOOD = {"config_sha256": "bb" * 32, "last_reload": {"at": 2.0, "is_good": True, "reason": ""}}
BAD = {**OLD, "last_reload": {"at": 2.0, "is_good": False, "reason": "the port is taken"}}


@contextmanager
def pool(
    statuses: list[dict[str, Any]], answer: tuple[int, dict[str, Any]]
) -> Iterator[tuple[str, list[str]]]:
    """Answers its status, each once and the last for ever, and a wish to reload."""
    asked: list[str] = []
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._give(200, left.pop(0) if len(left) > 1 else left[0])

        def do_POST(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization', '')}")
            self._give(*answer)

        def _give(self, status: int, what: dict[str, Any]) -> None:
            body = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr(module, "LOOK_INTERVAL_S", 0.0)
    monkeypatch.setenv("POOLSERVER_TOKEN", "secret")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["reload", *arguments])

    return run


BEGUN = (202, {"config_sha256": "bb" * 32, "state": "begun"})


def test_it_waits_for_the_end_and_says_what_is_in_force(run: Callable[..., Result]) -> None:
    with pool([OLD, OLD, GOOD], BEGUN) as (url, asked):
        result = run("--url", url)
    assert (result.exit_code, asked) == (0, ["/api/v1/reload Bearer secret"])
    assert result.output.startswith("Reloaded in ")
    assert "configuration bbbbbbbbbbbb is in force" in result.output


def test_a_failure_is_told_with_its_reason(run: Callable[..., Result]) -> None:
    with pool([OLD, BAD], BEGUN) as (url, _):
        result = run("--url", url)
    assert (result.exit_code, result.output) == (
        1,
        "poolserver: the reload failed: the port is taken\n",
    )


def test_each_mistake_of_the_file_is_a_line(run: Callable[..., Result]) -> None:
    problem = {"title": "Refused", "code": "refused", "errors": ["a: is wrong", "b: is wrong"]}
    with pool([OLD], (422, problem)) as (url, _):
        result = run("--url", url)
    assert (result.exit_code, result.output) == (1, "poolserver: a: is wrong\nb: is wrong\n")


def test_a_check_asks_and_does_nothing(run: Callable[..., Result]) -> None:
    would = (202, {"config_sha256": "bb" * 32, "state": "would_begin"})
    with pool([OLD], would) as (url, asked):
        result = run("--url", url, "--check", "--json")
    assert asked == ["/api/v1/reload?check=true Bearer secret"]
    assert json.loads(result.output)["state"] == "would_begin"


def test_without_a_token_it_says_what_is_needed(run: Callable[..., Result]) -> None:
    with pool([OLD], (401, {"title": "A token is needed"})) as (url, _):
        result = run("--url", url)
    assert "the scope reload" in result.output
