"""What a browser sees: that this is no GitLab."""

from app.demo.simulator.messages import Response

PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>FlowForge's simulator of GitLab</title>"
    "<p>This is FlowForge's simulator of GitLab, no GitLab. It has the API under <code>/api/v4</code> and git over "
    "HTTP, and no pages.</html>"
)


def page_for(path: str) -> Response:
    """The one page, at the root; nothing else is there."""
    status = 200 if path == "/" else 404
    return Response(status=status, headers={"content-type": "text/html; charset=utf-8"}, body=PAGE.encode())
