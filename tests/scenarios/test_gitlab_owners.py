"""On GitLab, `CODEOWNERS` names groups of the highest level, roles, and sections that people wrote twice."""

from pathlib import Path

from app.demo.model.resolver import HonestResolver
from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.state import Role
from bot.model.forge import ForgeKind
from tests.scenarios.play import ANSWER, BASE, playing

OWNERS = """\
# who has to look
^[Pricing] @acme # not @stranger
/[ef]ees.py
[PRICING]
*.md

[Release]
*.py @@maintainer
"""


async def test_a_group_and_a_role_have_to_be_among_those_who_approve(tmp_path: Path) -> None:
    base = {**BASE, ".flowforge.yml": "version: 1\napprovals: {codeowners: true}\n", "CODEOWNERS": OWNERS}
    script = HonestResolver(answers={"fees.py": ANSWER})
    async with playing(tmp_path, script, base=base, forge=ForgeKind.GITLAB) as play:
        forge = play.forge
        assert isinstance(forge, GitLabSimulator)
        owner = forge.people.user("owner")
        forge.people.set_role(play.repository, owner, Role.ADMIN)
        forge.people.join(play.repository.owner, play.author, Role.TRIAGE)
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        play.say("/flowforge approve", who=play.author)
        neither = await play.until_reply("`fees.py` needs the approval of one of its code owners: `@acme`")
        assert "`@stranger`" in neither
        assert "`@@maintainer`" in neither
        play.say("/flowforge approve", who=owner)
        forge.people.join(play.repository.owner, play.author)
        play.say("/flowforge approve")
        await play.until_conclusion("success")
