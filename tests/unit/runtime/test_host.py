from __future__ import annotations

import numpy as np
import pytest

from elasticdf.errors import UserError
from elasticdf.runtime.host import frames_from


@pytest.mark.parametrize(
    ("given_shape", "frame"),
    [
        ((5, 3, 8, 8), (3, 8, 8)),
        ((3, 8, 8), (3, 8, 8)),
        ((5, 8, 8, 3), (3, 8, 8)),
        ((8, 8, 3), (3, 8, 8)),
        ((5, 192), (3, 8, 8)),
        ((192,), (3, 8, 8)),
        ((5, 7), (7,)),
        ((7,), (7,)),
    ],
)
def test_every_accepted_form_gives_frames(
    given_shape: tuple[int, ...], frame: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(given_shape)).reshape(given_shape)
    frames = frames_from(array, frame)
    assert frames.shape[1:] == frame
    assert sorted(frames.reshape(-1)) == sorted(array.reshape(-1))


def test_channels_last_is_turned_not_reinterpreted() -> None:
    array = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    assert frames_from(array, (3, 4, 5))[1, 2, 3, 4] == array[1, 3, 4, 2]


def test_two_readings_are_refused_and_both_named() -> None:
    with pytest.raises(UserError) as error:
        frames_from(np.arange(54).reshape(2, 3, 3, 3), (3, 3, 3))
    assert str(error.value) == (
        "the input of shape (2, 3, 3, 3) can be read as 2 frames of shape (3, 3, 3) or as "
        "2 images of shape (3, 3, 3), channels last; give it another shape so that only one fits"
    )


def test_no_reading_says_what_would_fit() -> None:
    with pytest.raises(UserError) as error:
        frames_from(np.zeros((4, 5)), (1, 28, 28))
    assert str(error.value) == (
        "the input has shape (4, 5); the network takes frames of shape (1, 28, 28), as "
        "(N, 1, 28, 28), one frame alone, or N rows of 784 values"
    )


def test_text_is_no_input() -> None:
    with pytest.raises(UserError, match="the input has type <U1, numbers are needed"):
        frames_from(np.array(["a"]), (1,))
