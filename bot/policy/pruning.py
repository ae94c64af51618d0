"""Which verdicts a push to the base cannot have changed."""

from collections.abc import Iterable

from bot.model.watch import Push


def meets(push: Push, *, paths: Iterable[bytes], directories: Iterable[bytes], commits: Iterable[str]) -> bool:
    """Whether a push to the base may change git's verdict on a head with this footprint; True where in doubt.

    The three are those of a ``Footprint``, in any form: a push is compared with thousands of them.

    A push that lies apart leaves for every path that the head changed the same three versions to be merged:

    * the merge base stays, since the head has none of the commits that were pushed;
    * no path of the head, nor a directory above or below it, was changed;
    * no directory that the head works in has gone, and no file has come in its place.

    Renames on the base's side begin at a path that is gone, so they matter to a head only if it changed that path or
    put files into a directory that is gone: both are seen here when the push did it, and whoever makes footprints
    gives none to a head for which it had happened before. The same goes for heads that remove a whole directory.
    """
    return not (
        push.commits.isdisjoint(commits) and push.touched.isdisjoint(paths) and push.replaced.isdisjoint(directories)
    )
