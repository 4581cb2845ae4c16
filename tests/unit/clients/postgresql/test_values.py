from umbel.clients.postgresql import values


def test_arrays_are_in_the_binary_form():
    made = values.texts(["a", "ä"])
    assert (made.oid, made.form) == (1009, 1)
    assert values.texts_in(made.data) == ["a", "ä"]
    assert made.data[:20] == bytes.fromhex("00000001 00000000 00000019 00000002 00000001")


def test_empty_arrays_and_nulls():
    assert values.array([], values.BYTEA) == values.Value(b"{}", 1001)
    assert values.numbers([]) == values.Value(None, 1016)
    assert values.number(None).data is None
    assert values.text(None).data is None
    assert (values.texts_in(None), values.integer(None), values.double(None)) == ([], 0, None)


def test_numbers_are_written_with_all_their_digits():
    assert values.numbers([1795876769.5123456, 1e300], values.FLOAT8).data == b"{1795876769.5123456,1e+300}"
    assert values.number(-3, values.INT4) == values.Value(b"-3", values.INT4)
    assert values.truth(True).data == b"t"


def test_an_empty_array_of_the_server_is_read():
    assert values.texts_in(bytes.fromhex("00000000 00000000 00000019")) == []
