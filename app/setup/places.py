"""Where secrets are kept, as the commands' options say."""

from contextlib import AsyncExitStack
from pathlib import Path

from app.settings import key_file
from app.setup.cluster_secret import ClusterSecret
from app.setup.keeping import Keeper, SealedFiles
from bot.errors import SettingsError
from runners.backends.cluster.api import ClusterApi


def open_keeper(stack: AsyncExitStack, directory: Path | None, secret: str | None, kubeconfig: Path | None) -> Keeper:
    """The Secret ``NAMESPACE/NAME``, or else the directory; ``stack`` closes what was opened.

    Raises:
        SettingsError: neither is given, it is no such name, or there is no access to the cluster.
    """
    if secret is None:
        if directory is None:
            raise SettingsError("say where the secrets go: --output DIR or --kubernetes-secret NAMESPACE/NAME")
        return SealedFiles(directory, key_file(directory))
    namespace, slash, name = secret.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise SettingsError("--kubernetes-secret has to be NAMESPACE/NAME")
    api = ClusterApi.open(namespace, kubeconfig=kubeconfig, context=None)
    stack.push_async_callback(api.close)
    return ClusterSecret(api, name)
