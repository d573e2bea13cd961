"""A plugin of LocalStack, so that it runs Leadstream without Docker and only on the loopback interface.

LocalStack finds the parts by `leadstream-1.dist-info/entry_points.txt`.
"""

import os
import tempfile

from localstack.runtime import hooks
from localstack.runtime.server.core import RuntimeServerPlugin


class LoopbackServerPlugin(RuntimeServerPlugin):
    """Chosen by `GATEWAY_SERVER=loopback`: LocalStack's own server listens on every interface, whatever GATEWAY_LISTEN is."""

    name = "loopback"

    def load(self, *_, **__):
        from localstack.runtime.server import twisted
        from twisted.internet import endpoints

        any_interface = endpoints.TCP4ServerEndpoint
        endpoints.TCP4ServerEndpoint = lambda reactor, port: any_interface(reactor, port, interface="127.0.0.1")
        return twisted.TwistedRuntimeServer()


@hooks.on_infra_start()
def keep_objects_apart() -> None:
    """Stores S3's objects below TMPDIR, instead of in one folder for every LocalStack of this machine (`DEFAULT_S3_TMP_DIR`).

    There one that deletes a bucket would delete the folder of another one's bucket with the same name.
    """
    from localstack.services.s3 import provider

    provider.DEFAULT_S3_TMP_DIR = os.path.join(tempfile.gettempdir(), "s3")
