"""gunicorn's threaded worker, with a poller that reads each request before a thread is taken for it.

gunicorn gives a connection to a thread at its first byte, and the thread waits there for the others without
an end. Here one loop waits for all of them, each with a deadline (`Waiting`), and a thread gets a request
when its head and a small body have come. A larger body is read by the thread, once the application wants
it, and an answer that its client doesn't take is sent by the loop: neither waits without an end (`Pace`).
"""

import errno
import resource
import selectors
import sys
import time
from functools import partial
from socket import SHUT_WR, socket
from typing import Any, Final

from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker
from werkzeug.exceptions import HTTPException

from jobyard.shared.errors import ConfigError
from jobyard.web.server.connection import Connection, Waiting
from jobyard.web.server.pace import MIN_BYTES_PER_SECOND, TooSlow
from jobyard.web.server.stream import Stream
from jobyard.web.server.threads import SHORT_SECONDS, Threads

READ_BYTES: Final = 16 << 10
# Of what a client still sends while it is told no: as much as a request without a file may have.
MAX_DISCARDED_BYTES: Final = 64 << 20
# Of all answers together that clients don't take.
MAX_KEPT_BYTES: Final = 32 << 20
# Descriptors for all that is no connection: the database's, files, the broker's.
OTHER_DESCRIPTORS: Final = 256
# What is past its deadline is looked for this often.
EXPIRE_SECONDS: Final = 0.5

TIMEOUT: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_LONG: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)
NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
GONE: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF})


class Worker(ThreadWorker):  # type: ignore[misc]
    """`worker_class` of web/gunicorn.py."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.max_connections: int = self.cfg.worker_connections
        # The base class would stop to accept where this one closes what has waited longest.
        self.worker_connections = sys.maxsize
        # What the poller waits for, in the order in which it began to; a dict keeps it.
        self._waiting: dict[Connection, None] = {}
        self._expire_at = 0.0
        self._waste = bytearray(256 << 10)

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Raises ConfigError for what this worker doesn't have."""
        if cfg.is_ssl:
            raise ConfigError("web has no TLS of its own: put a reverse proxy in front of it")

    def init_process(self) -> None:
        """As gunicorn has it; with as many connections as the process may have descriptors for."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self.max_connections + OTHER_DESCRIPTORS
        if soft < wanted:
            soft = min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.max_connections = max(self.cfg.threads, min(self.max_connections, soft - OTHER_DESCRIPTORS))
        super().init_process()

    # ---- in the loop

    def accept(self, listener: socket) -> None:
        """Take a new connection, in the place of the one that has waited longest if there are too many."""
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in NO_DESCRIPTORS:
                self._close_oldest()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        if self.nr_conns >= self.max_connections and not self._close_oldest():
            accepted.close()
            return
        self.nr_conns += 1
        self._read(Connection(self.cfg, Stream(accepted), client, listener.getsockname()))

    def get_thread_pool(self) -> Threads:
        """In the place of the pool that wakes a thread for each request."""
        return Threads(self.cfg.threads)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One turn of the loop."""
        super().wait_for_and_dispatch_events(SHORT_SECONDS if self.tpool.has_waiting else timeout)
        self.tpool.relieve()

    def murder_keepalived(self, force: bool = False) -> None:
        """Close what is past its deadline; gunicorn's loop calls it in each turn."""
        now = time.monotonic()
        if now < self._expire_at and not force:
            return
        self._expire_at = now + EXPIRE_SECONDS
        for conn in [conn for conn in list(self._waiting) if force or conn.deadline <= now]:
            if conn.waiting in (Waiting.HEAD, Waiting.BODY) and self.alive:
                self._refuse(conn, TIMEOUT)
            else:
                self._close(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker stops: what is no whole request by then will be none."""
        for conn in list(self._waiting):
            if conn.waiting is not Waiting.TAKING:
                conn.deadline = min(conn.deadline, deadline)

    def _ready(self, conn: Connection, _: socket) -> None:
        """The poller has found something on a connection that was waiting."""
        with conn.lock:
            if conn.waiting is None:  # a thread has it, or it was closed for another event of the same turn
                self._forget(conn)
        match conn.waiting:
            case Waiting.TAKING:
                self._send(conn)
            case Waiting.CLOSING:
                self._discard(conn)
            case Waiting.REQUEST | Waiting.HEAD | Waiting.BODY:
                self._read(conn)

    def _read(self, conn: Connection) -> None:
        try:
            data = conn.sock.recv(READ_BYTES)
        except BlockingIOError:
            self._wait(conn, conn.waiting or Waiting.REQUEST)
            return
        except OSError:
            data = b""
        if not data:
            self._close(conn)
            return
        conn.receive(data)
        self._advance(conn)

    def _advance(self, conn: Connection) -> None:
        """A thread for what has come whole, and more time for the rest."""
        if conn.request is not None:
            if conn.body_is_here():
                self._hand_over(conn)
            else:
                self._wait(conn, Waiting.BODY)
        elif conn.head_is_here():
            self._hand_over(conn)
        elif conn.head_is_too_long():
            self._refuse(conn, TOO_LONG)
        else:
            self._wait(conn, Waiting.HEAD if conn.head_has_begun() else Waiting.REQUEST)

    def _hand_over(self, conn: Connection) -> None:
        """The poller still looks at it, as most clients send nothing meanwhile, which saves system calls."""
        self._waiting.pop(conn, None)
        begin = self.tpool.in_turn if conn.only_reads() else self.tpool.at_once
        conn.hand_over()
        begin(self._serve, conn)

    def _after_thread(self, conn: Connection) -> None:
        if conn.sock.pending:
            self._wait(conn, Waiting.TAKING, selectors.EVENT_WRITE)
            self._keep_less()
        elif conn.request is not None:
            self._wait(conn, Waiting.BODY)
        elif conn.keep:
            conn.take_back()
            self._advance(conn)
            if not self.alive and conn.waiting is Waiting.REQUEST:
                conn.deadline = min(conn.deadline, time.monotonic() + STOP_KEEPALIVE_LINGER)
        else:
            self._half_close(conn)

    def _send(self, conn: Connection) -> None:
        """The client takes more of an answer."""
        before = len(conn.sock.pending)
        try:
            conn.sock.flush()
        except OSError:
            self._close(conn)
            return
        conn.deadline += (before - len(conn.sock.pending)) / MIN_BYTES_PER_SECOND
        if not conn.sock.pending:
            self._after_thread(conn)

    def _keep_less(self) -> None:
        """Close those that have taken their answers for longest, while all hold too much memory."""
        taking = [conn for conn in list(self._waiting) if conn.waiting is Waiting.TAKING]
        kept = sum(len(conn.sock.pending) for conn in taking)
        for conn in taking:
            if kept <= MAX_KEPT_BYTES:
                break
            kept -= len(conn.sock.pending)
            self._close(conn)

    def _half_close(self, conn: Connection) -> None:
        """End the connection so that the client gets the last answer, though it may still be sending."""
        try:
            conn.sock.shutdown(SHUT_WR)
        except OSError:
            self._close(conn)
        else:
            self._wait(conn, Waiting.CLOSING)

    def _discard(self, conn: Connection) -> None:
        try:
            count = conn.sock.recv_into(self._waste)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        conn.discarded += count
        if not count or conn.discarded > MAX_DISCARDED_BYTES:
            self._close(conn)

    def _refuse(self, conn: Connection, answer: bytes) -> None:
        try:
            conn.sock.send(answer)
        except OSError:
            self._close(conn)
        else:
            self._half_close(conn)

    def _wait(self, conn: Connection, waiting: Waiting, event: int = selectors.EVENT_READ) -> None:
        self._waiting[conn] = None
        conn.wait(waiting)
        if not conn.event:
            self.poller.register(conn.sock, event, partial(self._ready, conn))
        elif event != conn.event:
            self.poller.modify(conn.sock, event, partial(self._ready, conn))
        conn.event = event

    def _forget(self, conn: Connection) -> None:
        if conn.event:
            self.poller.unregister(conn.sock)
            conn.event = 0

    def _close(self, conn: Connection) -> None:
        self._waiting.pop(conn, None)
        self._forget(conn)
        conn.waiting = None
        self.nr_conns -= 1
        conn.sock.end()

    def _close_oldest(self) -> bool:
        """False if no connection waits: threads have them all."""
        oldest = next(iter(list(self._waiting)), None)
        if oldest is not None:
            self._close(oldest)
        return oldest is not None

    # ---- in a thread

    def _serve(self, conn: Connection) -> None:
        """Handle a request, and give the connection back to the loop."""
        conn.keep = False
        try:
            conn.keep = self.handle(conn)
        except BaseException:
            self.method_queue.defer(self._after_thread, conn)
            raise
        if conn.keep and self.alive and conn.is_idle():
            with conn.lock:
                if conn.event:  # the poller looks at it, so the loop need not be told
                    conn.wait(Waiting.REQUEST)
                    self._waiting[conn] = None
                    return
        self.method_queue.defer(self._after_thread, conn)

    def handle(self, conn: Connection) -> bool:
        """Handle a request, unless its body is yet to come; returns whether another may follow."""
        request, conn.request = conn.request, None
        try:
            if request is None:
                request = conn.parser.next_request()
                if missing := request.missing():
                    conn.parser.unreader.send_continue()
                    conn.expect_body(missing)
                    conn.request = request
                    return True
            conn.sock.begin()
            keep: bool = self.handle_request(request, conn)
            if keep:
                conn.parser.finish()
            return keep
        except (StopIteration, NoMoreData):
            pass  # the connection is to be closed
        except TooSlow:
            conn.sock.pending.clear()
            self.log.debug("a client was too slow to take its answer")
        except OSError as error:
            conn.sock.pending.clear()
            if error.errno not in GONE:
                self.log.exception("a connection failed")
        except HTTPException as error:
            self.log.debug("the body of a request did not come: %s", error)
        except Exception as error:  # noqa: BLE001 - gunicorn answers it, and logs what is no fault of the client's
            self.handle_error(request, conn.sock, conn.client, error)
        finally:
            self._flush(conn)
        return False

    def _flush(self, conn: Connection) -> None:
        try:
            conn.sock.flush()
        except OSError:
            conn.sock.pending.clear()
