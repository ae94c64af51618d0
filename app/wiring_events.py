"""What deliveries and levels lead to, bound."""

from datetime import timedelta
from typing import Final

import structlog

from app.jobs.queue import ArqQueue
from app.wiring_parts import Parts, server_limits
from bot.git.batch import GitBatch
from bot.handlers.act import ActOnIntent
from bot.handlers.advance import AdvanceJob
from bot.handlers.alarm import TellConflicts
from bot.handlers.briefs import GatherBrief
from bot.handlers.deeds import Deeds
from bot.handlers.failures import FixFailures, SeeFailures
from bot.handlers.forks import CheckHead
from bot.handlers.installations import FollowInstallation
from bot.handlers.marks import SeeMarks
from bot.handlers.notice import NoticeChanges
from bot.handlers.replies import Replies
from bot.handlers.reporting import RefreshReports
from bot.handlers.route import RouteDelivery
from bot.handlers.sync import SyncPull
from bot.handlers.take_back import TakeBack
from bot.handlers.watch import WatchBase
from bot.handlers.weigh import WeighIntent
from bot.ports.log import Log

LOG: Final[Log] = structlog.get_logger("failures")


def bind_route(parts: Parts, advance: AdvanceJob, queue: ArqQueue, refresh: RefreshReports) -> RouteDelivery:
    """The way of a delivery: decode, decide, act."""
    store, forge = parts.store, parts.forge
    limits = server_limits(parts.settings)
    replies = Replies(store=store, queue=queue, forge=forge)
    deeds = Deeds(
        store=store,
        queue=queue,
        ids=parts.ids,
        forge=forge,
        server=limits,
        replies=replies,
        refresh=refresh,
        check_fresh=advance.publish.check_fresh,
        count=advance.publish.count,
        conclude=advance.conclude,
        gather=GatherBrief(forge=forge, jobs=store.jobs),
    )
    act = ActOnIntent(
        store=store,
        weigh=WeighIntent(
            store=store, forge=forge, check_head=CheckHead(forks=store.forks, forge=forge), server=limits
        ),
        deeds=deeds,
        replies=replies,
    )
    return RouteDelivery(
        store=store,
        forge=forge,
        act=act,
        follow=FollowInstallation(store=store, forge=forge, queue=queue),
        notice=NoticeChanges(store=store, queue=queue),
        see_marks=SeeMarks(forge=forge, registry=store.registry),
        see_failures=SeeFailures(store=store, forge=forge, queue=queue, clock=parts.clock),
        take_back=TakeBack(store=store, deeds=deeds),
        clock=parts.clock,
    )


def bind_watch(parts: Parts, act: ActOnIntent, queue: ArqQueue, notice: NoticeChanges) -> WatchBase:
    """The conflict watch over a base branch."""
    store, forge = parts.store, parts.forge
    batch = GitBatch(parts.settings.data_dir / "mirrors")
    return WatchBase(
        store=store,
        forge=forge,
        git=parts.git,
        batch=batch,
        queue=queue,
        clock=parts.clock,
        notice=notice,
        tell=TellConflicts(store=store, forge=forge, batch=batch, queue=queue, act=act, clock=parts.clock),
    )


def bind_sync(parts: Parts, act: ActOnIntent) -> SyncPull:
    """The comparison of what is under way on a pull request with the pull request."""
    return SyncPull(
        store=parts.store,
        forge=parts.forge,
        git=parts.git,
        commits=GitBatch(parts.settings.data_dir / "mirrors"),
        clock=parts.clock,
        ids=parts.ids,
        act=act,
        debounce=timedelta(seconds=parts.settings.push_debounce_seconds),
    )


def bind_failures(parts: Parts, act: ActOnIntent) -> FixFailures:
    """The look at checks that failed."""
    return FixFailures(store=parts.store, forge=parts.forge, act=act, clock=parts.clock, log=LOG)
