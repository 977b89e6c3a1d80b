"""What the server says on a terminal."""

from __future__ import annotations

import io

import pytest

from jobmajor.serve.server import Address, invite, listen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - listens for a moment
def test_address_to_open_is_written_to_a_terminal_only(host: str) -> None:
    terminal, pipe = Terminal(), io.StringIO()

    with listen(Address(host, 0)) as bound:
        port = bound.getsockname()[1]
        invite(bound, terminal)
        invite(bound, pipe)

    assert terminal.getvalue() == f"open http://127.0.0.1:{port}\n"
    assert pipe.getvalue() == ""
