"""What a play draws by chance can be drawn again, and never answers another question."""

from __future__ import annotations

import pytest

from harness.guest.keys import make_run_keys
from harness.machine.domain.segment import pair
from harness.model.drawn import Drawn, draw, drawing
from harness.model.secret import Secret
from harness.pki.certificates import Authority, CertificateRequest, issue
from harness.pki.control_plane import make_pki


def test_a_later_play_draws_the_same_in_the_same_order() -> None:
    first = Drawn()
    with drawing(first):
        made = [draw("key", str), draw("key", lambda: "b"), draw("token", lambda: "c")]
    again = Drawn(first.all)
    with drawing(again):
        same = [draw("key", lambda: "x"), draw("key", lambda: "x"), draw("token", lambda: "x")]

    assert same == made
    assert again.all == first.all


def test_what_was_not_given_is_new() -> None:
    drawn = Drawn((("key", Secret("a")),))
    with drawing(drawn):
        assert draw("token", lambda: "b") == "b"
        assert draw("key", lambda: "b") == "a"
        assert draw("key", lambda: "b") == "b"


def test_what_cannot_be_used_again_is_made_anew() -> None:
    drawn = Drawn((("port", Secret("1")), ("port", Secret("2"))))
    with drawing(drawn):
        assert draw("port", lambda: "3", lambda port: port != "1") == "3"
        assert draw("port", lambda: "4", lambda port: port != "1") == "2"

    assert [text.reveal() for _, text in drawn.all] == ["3", "2"]


def test_outside_of_a_play_nothing_is_recorded() -> None:
    drawn = Drawn()
    with drawing(drawn):
        pass

    assert draw("key", lambda: "a") == "a"
    assert drawn.all == ()


def test_what_was_drawn_has_no_repr() -> None:
    drawn = Drawn()
    with drawing(drawn):
        draw("key", lambda: "s3cr3t")

    assert "s3cr3t" not in repr(drawn.all)


def made(address: str = "10.0.2.2") -> tuple[object, ...]:
    pki, keys = make_pki((address,)), make_run_keys()
    kubeconfig = pki.node_kubeconfig(f"https://{address}", "node").reveal()
    return issue((address,), ()), pki.files(), kubeconfig, keys


def test_keys_and_certificates_are_drawn_again() -> None:
    first = Drawn()
    with drawing(first):
        one = made()
    with drawing(Drawn(first.all)):
        other = made()

    assert one == other
    assert one != made()


@pytest.mark.parametrize(
    "request_",
    [
        CertificateRequest(name="other", is_server=True),
        CertificateRequest(name="server", is_client=True),
        CertificateRequest(name="server", is_server=True, names=("localhost",)),
        CertificateRequest(name="server", is_server=True, addresses=("10.0.2.2",)),
        CertificateRequest(name="server", is_server=True, groups=("system:nodes",)),
    ],
)
def test_a_certificate_is_never_the_answer_to_another_request(request_: CertificateRequest) -> None:
    first = Drawn()
    with drawing(first):
        usual = Authority.new("CA").sign(CertificateRequest(name="server", is_server=True))
    with drawing(Drawn(first.all)):
        other = Authority.new("CA").sign(request_)

    assert other.ca_pem == usual.ca_pem
    assert other.certificate_pem != usual.certificate_pem


def test_a_segment_has_its_addresses_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    first = Drawn()
    with drawing(first):
        one = pair(tmp_path_factory.mktemp("one"), "a", "b")
    with drawing(Drawn(first.all)):
        other = pair(tmp_path_factory.mktemp("other"), "a", "b")

    assert [side.mac for side in one] == [side.mac for side in other]
