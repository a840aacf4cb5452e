"""One connection of the HTTP server: what the HTTP library refuses itself is a problem too."""

from aiohttp import web

from poolserver.api.problem import ApiError

# Below it whoever asks is a program, which reads problems.
API_PATHS = "/api/"


class Connection(web.RequestHandler):
    """Of one who asks. What is no HTTP has no path: it is answered with a problem wherever it was
    meant for."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """In place of an answer: it cannot be read, or a bug outside of all handlers."""
        super().handle_error(request, status, exc, message)
        if status >= 500:
            problem = ApiError("internal")
        else:
            # The lines below say again what was sent.
            problem = ApiError("bad_request", (message or "").partition("\n")[0].rstrip(":"))
        response = problem.response()
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is not sent yet: of the library's own refusals those that came before a
        handler, as of an ``Expect`` that nobody knows."""
        if isinstance(resp, web.HTTPException) and request.path.startswith(API_PATHS):
            resp = ApiError("bad_request", resp.text or "").response()
        return await super().finish_response(request, resp, start_time)
