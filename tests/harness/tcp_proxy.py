"""
A TCP proxy in front of a server, for what networks do: nothing passes any more, connections are forgotten without a
word (a firewall with an idle limit), or they are reset and refused.
"""

import asyncio
import socket
import struct
import threading

from .process import free_port


class _Flow:
    def __init__(self, near, far):
        self.near, self.far = near, far
        self.forgotten = False


class TcpProxy:
    """
    Listens on 127.0.0.1 at `port` for what `host` serves at `target`. Any thread may call its methods. One that reads
    what passes ends TLS on both sides, and gives a translator.
    """

    near_tls = far_tls = None

    def translator(self, from_client):
        """For one direction of one connection: a function of the bytes that came, which gives those to send."""
        return bytes

    def __init__(self, host, target):
        self.port = free_port()
        self.accepted = 0  # connections, since the start
        self._host, self._target = host, target
        self._flows = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def uri(self):
        return f"ldaps://127.0.0.1:{self.port}"

    def start(self):
        self._thread.start()
        self._passing = asyncio.Event()
        self._do(self._listen())
        return self

    def stop(self):
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def freeze(self):
        """Nothing passes, either way; connections are still accepted, as a kernel does for a frozen process."""
        self._do(self._pause())

    def thaw(self):
        self._do(self._go_on())

    def forget(self):
        """What is open now stays open, and whatever is sent on it vanishes; new connections work."""
        self._do(self._forget_flows())

    def kill(self):
        """Connections are reset, new ones refused."""
        self._do(self._refuse())

    def revive(self):
        self._do(self._listen())

    @property
    def open_connections(self):
        return sum(not flow.near.is_closing() for flow in self._flows)

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self):
        self._passing.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024,
                                                  ssl=self.near_tls)

    async def _pause(self):
        self._passing.clear()

    async def _go_on(self):
        self._passing.set()

    async def _forget_flows(self):
        for flow in self._flows:
            flow.forgotten = True

    async def _refuse(self):
        self._server.close()
        for flow in self._flows:
            if near := flow.near.get_extra_info("socket"):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            flow.near.transport.abort()
            flow.far.transport.abort()
        self._flows.clear()

    async def _end(self):
        await self._refuse()
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _serve(self, reader, near):
        self.accepted += 1
        try:
            far_reader, far = await asyncio.open_connection(
                self._host, self._target, ssl=self.far_tls, server_hostname=self._host if self.far_tls else None)
        except OSError:
            near.transport.abort()
            return
        flow = _Flow(near, far)
        self._flows.append(flow)
        await asyncio.gather(self._pump(flow, reader, far, self.translator(True)),
                             self._pump(flow, far_reader, near, self.translator(False)))
        if flow in self._flows:
            self._flows.remove(flow)

    async def _pump(self, flow, reader, writer, translate):
        try:
            while True:
                data = await reader.read(65536)
                await self._passing.wait()
                if flow.forgotten and data:
                    continue
                if not data:
                    break
                writer.write(translate(data))
                await writer.drain()
        except OSError:
            pass
        if not flow.forgotten:
            writer.close()
