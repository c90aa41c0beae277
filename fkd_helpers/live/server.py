"""A Jupyter server that sends each message at once, as `make lab` starts it.

TCP holds a small message back while an earlier one is unconfirmed (Nagle's algorithm). A kernel says "busy" and "idle"
for each frame of the live demo before its answer is ready, so the answer would wait for the page's next frame.
"""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """A page's connection to its kernel, in which no message waits for another one."""

    def connect(self):
        """Connect, and hold nothing back from here on."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
