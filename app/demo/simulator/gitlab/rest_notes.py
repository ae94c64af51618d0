"""Endpoints of comments and the emoji under them, which are the same for issues and merge requests.

Source: https://docs.gitlab.com/api/notes/ and https://docs.gitlab.com/api/emoji_reactions/ .
"""

import re

from app.demo.simulator import acts_threads
from app.demo.simulator.gitlab import render
from app.demo.simulator.gitlab.limits import LONGEST_NOTE
from app.demo.simulator.gitlab.messages import denied, forbidden, invalid, malformed, not_found, page_of
from app.demo.simulator.gitlab.quick_actions import carry_out, split
from app.demo.simulator.gitlab.rest_threads import find_issue, find_pull
from app.demo.simulator.gitlab.routes import SEE, TALK, Call, Route, role_of
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.messages import Response, json_response
from app.demo.simulator.state import Comment, Issue, Role

EMOJI = re.compile(r"[a-z0-9_+-]{1,64}")


def _thread(call: Call) -> Issue:
    return find_pull(call) if "/merge_requests/" in call.request.raw_path else find_issue(call)


def _note(call: Call) -> Comment:
    note = _thread(call).comments.get(call.number("note_id"))
    if note is None:
        raise not_found()
    return note


def _body(call: Call) -> str:
    body = call.text("body")
    if body is None:
        raise malformed("body is missing")
    if not body.strip():
        raise invalid("note", "can't be blank")
    if len(body) > LONGEST_NOTE:
        raise invalid("note", f"is too long (maximum is {LONGEST_NOTE} characters)")
    return body


async def list_notes(site: GitLabSite, call: Call) -> Response:
    """``GET …/notes?sort=&order_by=&activity_filter=``: the newest first; GitLab's own are among them."""
    query = call.request.query
    notes = sorted(_thread(call).comments.values(), key=lambda note: (note.created_at, note.id))
    if query.get("activity_filter") == "only_comments":
        notes = [note for note in notes if not note.system]
    if query.get("sort", "desc") == "desc":
        notes.reverse()
    return page_of(call.request, site.world.base_url, [render.note(site.world, note) for note in notes])


async def get_note(site: GitLabSite, call: Call) -> Response:
    """``GET …/notes/:note_id``."""
    return json_response(render.note(site.world, _note(call)))


async def create_note(site: GitLabSite, call: Call) -> Response:
    """``POST …/notes``: 202 and no comment where it holds nothing but quick actions."""
    thread, said = _thread(call), split(_body(call))
    site.limits.count_note(call.asker, site.world.clock.now())
    carry_out(site, thread, call.actor, said.actions)
    if said.actions and not said.body.strip():
        summary = [f"Did /{name}." for name in said.actions]
        return json_response({"commands_changes": {}, "summary": summary}, status=202)
    note = acts_threads.create_comment(site, thread, call.actor, said.body, via_app=False)
    return json_response(render.note(site.world, note), status=201)


def _may_change(call: Call, note: Comment) -> None:
    """People change their own comments, Maintainers everybody's; GitLab's own are nobody's."""
    if note.system or (note.author is not call.actor and role_of(call.asker, call.repository) < Role.MAINTAIN):
        raise forbidden()


async def update_note(site: GitLabSite, call: Call) -> Response:
    """``PUT …/notes/:note_id``."""
    note = _note(call)
    _may_change(call, note)
    acts_threads.edit_comment(site, note, call.actor, _body(call))
    return json_response(render.note(site.world, note))


async def delete_note(site: GitLabSite, call: Call) -> Response:
    """``DELETE …/notes/:note_id``."""
    note = _note(call)
    _may_change(call, note)
    acts_threads.delete_comment(site, note, call.actor)
    return Response(status=204)


async def list_emoji(site: GitLabSite, call: Call) -> Response:
    """``GET …/notes/:note_id/award_emoji``."""
    note = _note(call)
    return page_of(
        call.request, site.world.base_url, [render.reaction(site.world, note, one) for one in note.reactions]
    )


async def award_emoji(site: GitLabSite, call: Call) -> Response:
    """``POST …/notes/:note_id/award_emoji``: the same twice is refused with 404, as on GitLab."""
    note, name = _note(call), call.needed("name")
    if EMOJI.fullmatch(name) is None:
        raise denied(400, {"name": ["is not a valid emoji name"]})
    reaction, new = acts_threads.react(site, note, call.actor, name)
    if not new:
        raise denied(404, "404 Award Emoji Name has already been taken Not Found")
    return json_response(render.reaction(site.world, note, reaction), status=201)


async def revoke_emoji(site: GitLabSite, call: Call) -> Response:
    """``DELETE …/notes/:note_id/award_emoji/:award_id``."""
    note, wanted = _note(call), call.number("award_id")
    for reaction in note.reactions:
        if reaction.id == wanted:
            if reaction.account is not call.actor:
                raise forbidden()
            acts_threads.take_reaction_back(site, note, reaction)
            return Response(status=204)
    raise not_found()


def _under(kind: str) -> tuple[Route, ...]:
    notes = f"/projects/{{project}}/{kind}/{{iid:int}}/notes"
    note = f"{notes}/{{note_id:int}}"
    return (
        Route("GET", notes, SEE, list_notes),
        Route("POST", notes, TALK, create_note),
        Route("GET", note, SEE, get_note),
        Route("PUT", note, TALK, update_note),
        Route("DELETE", note, TALK, delete_note),
        Route("GET", f"{note}/award_emoji", SEE, list_emoji),
        Route("POST", f"{note}/award_emoji", TALK, award_emoji),
        Route("DELETE", f"{note}/award_emoji/{{award_id:int}}", TALK, revoke_emoji),
    )


ROUTES = (*_under("merge_requests"), *_under("issues"))
