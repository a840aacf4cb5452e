"""``POST /reload``: put the configuration in force as its file is now. See docs/reload.md."""

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.problem import ApiError
from poolserver.handover.reload import Answer


class Reloads(Protocol):
    """Who does it; see ``handover.succession.Succession``."""

    async def reload(self, by: str, *, only_check: bool = False) -> Answer: ...


class ReloadQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of ``/reload``."""

    check: Annotated[bool, Meta(description="Only say what would become of it.")] = False


class ReloadAnswer(msgspec.Struct, frozen=True):
    """What becomes of it. ``config_sha256`` is that of the file.

    Where it has ``begun`` it is over as soon as ``last_reload.at`` in ``/status`` is no longer
    what it was; that tells how it ended.
    """

    config_sha256: str
    state: Literal["begun", "unchanged", "would_begin"]


def reload_endpoints(reloads: Reloads) -> Sequence[Endpoint]:
    """The endpoint."""

    async def reload(call: Call) -> ReloadAnswer:
        only_check = call.query.check
        answer = await reloads.reload(call.by, only_check=only_check)
        match answer.code:
            case "unchanged":
                return ReloadAnswer(answer.config_sha256, "unchanged")
            case "begun":
                return ReloadAnswer(answer.config_sha256, "would_begin" if only_check else "begun")
            case "refused" | "needs_restart" | "busy":
                raise ApiError(answer.code, "; ".join(answer.errors), answer.errors)

    return [
        Endpoint(
            "POST",
            "/reload",
            "Reload the configuration",
            reload,
            scope="reload",
            query=ReloadQuery,
            answer=ReloadAnswer,
            status=202,
            problems=("refused", "needs_restart", "busy"),
            description=(
                "The file is checked in the running pool: with any error nothing is done, and all "
                "of them are told. Then a new process takes over with the whole of it, and no rig "
                "loses its connection; or it fails, and all is as before."
            ),
        )
    ]
