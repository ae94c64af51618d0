from tests.app.demo.simulator.conftest import Bot, World
from tests.contracts.github import *


async def test_run(world: World, bot: Bot) -> None:
    c = "/repos/acme/payments/check-runs"
    a = await bot("POST", c, json={"name": "FlowForge", "head_sha": world.pull.head_sha, "external_id": "j1"})
    print(a.status_code, a.text)
    i = a.json()["id"]
    a = await bot(
        "PATCH",
        f"{c}/{i}",
        json={
            "status": "completed",
            "conclusion": "action_required",
            "output": {"title": "t", "summary": "s"},
            "actions": [{"label": "Approve", "description": "d", "identifier": "approve"}],
        },
    )
    print(a.status_code, a.text[:300])
    a = await bot(
        "GET", f"/repos/acme/payments/commits/{world.pull.head_sha}/check-runs?check_name=FlowForge&app_id=1234567"
    )
    print(a.status_code, a.text[:300])
    world.sim.people.click(world.sim.check_runs(world.repository)[0], world.ada, "approve")
    for p in ["/repos/acme/payments/pulls/1"] * 2 + [
        "/repos/acme/payments/contents/fee.py?ref=main",
        "/repos/acme/payments/git/ref/heads/main",
        "/repos/acme/payments/branches/main",
        "/repos/acme/payments/collaborators/ada/permission",
        "/users/flowforge[bot]",
        "/rate_limit",
        "/repos/acme/payments/contents/",
    ]:
        a = await bot("GET", p)
        print(p, a.status_code, a.text[:1000] if a.status_code >= 400 else a.text[-200:])
    a = await bot("POST", "/repos/acme/payments/issues/1/comments", json={"body": "hello"})
    print(a.status_code, a.text)
    print(a.headers)
    print([(d.event, d.action) for d in world.sim.webhooks.deliveries])
    print("VALID")
    for e in world.sim.record.exchanges:
        for f in validate_exchange(e):
            print(f)
    for d in world.sim.webhooks.deliveries:
        for f in validate_webhook(d.event, d.payload):
            print(f)
