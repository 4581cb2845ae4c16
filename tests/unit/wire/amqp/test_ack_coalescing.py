from hypothesis import given
from hypothesis import strategies as st

from umbel.wire.amqp.ack_coalescing import AckCoalescer


def test_contiguous_tags_are_one_ack():
    settling = AckCoalescer()
    settling.acknowledge([1, 2, 3])
    assert settling.take() == (3, [])
    assert settling.take() == (0, [])


def test_a_gap_makes_single_acks():
    settling = AckCoalescer()
    settling.acknowledge([1, 3, 5])
    assert settling.take() == (1, [3, 5])
    settling.acknowledge([2])
    assert settling.take() == (2, [])
    settling.acknowledge([4, 6])
    assert settling.take() == (6, [])


def test_requeued_tags_are_no_gap_and_never_named():
    settling = AckCoalescer()
    settling.settled(1)
    settling.acknowledge([2])
    settling.settled(3)
    assert settling.take() == (2, [])
    settling.acknowledge([4])
    assert settling.take() == (4, [])


@given(st.permutations(range(1, 25)), st.data())
def test_the_broker_is_told_of_each_tag_once_and_of_none_too_early(order, data):
    """A broker that closes the channel on a tag it does not know, or acknowledges what nobody settled, is never provoked."""
    settling, unacked, wanted = AckCoalescer(), set(range(1, 25)), set()
    while order:
        size = data.draw(st.integers(1, 6))
        batch, order = order[:size], order[size:]
        if data.draw(st.booleans()):
            for tag in batch:
                settling.settled(tag)
                unacked.discard(tag)
        else:
            settling.acknowledge(batch)
            wanted.update(batch)
            upto, singles = settling.take()
            if upto:
                assert upto in unacked
                covered = {tag for tag in unacked if tag <= upto}
                assert covered <= wanted
                unacked -= covered
            for tag in singles:
                assert tag in unacked
                unacked.remove(tag)
            assert not unacked & wanted
    assert not unacked
