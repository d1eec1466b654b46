"""Real video files, made on the fly. Each frame shows its own number, so that frames are known."""

from fractions import Fraction

import av
import numpy as np
from av.stream import Disposition

STEP = 3


def numbered(count=80, height=48, width=64):
    """uint8 (count, height, width, 3): frame i is grey of level 10 + 3i, with a darker corner.

    The corner, at the top left, tells how a frame is turned; it is a quarter of each side.
    """
    level = (10 + STEP * np.arange(count) % 240).astype(np.uint8)
    frames = np.broadcast_to(level[:, None, None, None], (count, height, width, 3)).copy()
    frames[:, : height // 4, : width // 4] = 0
    return frames


def numbers(frames):
    """The number that each of some frames shows, from the middle of its picture."""
    height, width = frames.shape[1:3]
    middle = frames[:, height // 3 : -height // 3, width // 3 : -width // 3].mean((1, 2, 3))
    return [round((level - 10) / STEP) for level in middle]


def write_video(
    path,
    frames,
    codec="libx264",
    fps=25,
    gop=12,
    bframes=2,
    pix_fmt="yuv420p",
    rotation=0,
    times=None,
    container=None,
    movflags="",
    options=None,
):
    """Writes uint8 frames (T, H, W, 3).

    Args:
        path: its suffix says the container, unless `container` does.
        frames: the pictures.
        codec: FFmpeg's name of the encoder.
        fps: frames per second.
        gop: frames from one key frame to the next.
        bframes: at most so many B-frames in a row.
        pix_fmt: how pixels are stored.
        rotation: degrees counter-clockwise that a player turns the picture by.
        times: milliseconds at which each frame is shown; evenly spaced by default.
        container: FFmpeg's name of the container.
        movflags: options of the MP4 container, e.g. faststart: its index comes first.
        options: further ones of the encoder.
    """
    quality = {"libx264": {"crf": "4", "preset": "veryfast", "bf": str(bframes)}}
    quality["libvpx-vp9"] = {"crf": "10", "b": "0", "cpu-used": "8", "deadline": "realtime"}
    settings = quality.get(codec, {}) | (options or {})
    muxing = {"movflags": movflags} if movflags else {}
    with av.open(str(path), "w", format=container, options=muxing) as file:
        stream = file.add_stream(codec, rate=fps, options=settings)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.gop_size = gop
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = int(times[number]), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def decoded(path):
    """All frames, the plain way: uint8 (T, H, W, 3), not turned."""
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def audio_only(path, seconds=1, cover=False):
    """Writes a file that has sound and no picture, or only that of a cover."""
    rate = 8000
    with av.open(str(path), "w") as file:
        if cover:
            art = file.add_stream("mjpeg", rate=1)
            art.width, art.height, art.pix_fmt = 64, 48, "yuvj420p"
            art.disposition = Disposition.attached_pic
        stream = file.add_stream("aac", rate=rate, layout="mono")
        samples = np.zeros((1, rate * seconds), np.float32)
        for start in range(0, samples.shape[1], 1024):
            part = samples[:, start : start + 1024]
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if cover:
            file.mux(art.encode(av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")))
            file.mux(art.encode())
    return path


def cut_short(path, share):
    """Leaves only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
