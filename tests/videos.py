"""Real video files, made on the fly. Each frame shows its own number, so that frames are known."""

import contextlib
from fractions import Fraction

import av
import numpy as np
from av.stream import Disposition
from av.video.frame import PictureType

from vswin.data.video import open_video

STEP = 3


def numbered(count=80, height=48, width=64):
    """uint8 (count, height, width, 3): frame i is grey of level 10 + 3i, with a darker corner.

    The corner, at the top left, tells how a frame is turned; it is a quarter of each side.
    """
    level = (10 + STEP * np.arange(count) % 240).astype(np.uint8)
    frames = np.broadcast_to(level[:, None, None, None], (count, height, width, 3)).copy()
    frames[:, : height // 4, : width // 4] = 0
    return frames


def moving(count=80, side=64):
    """uint8 (count, side, side, 3): a window slides by a pixel a frame over a picture of blocks.

    Encoders make B-frames of it, which they do not of noise; no two frames are alike.
    """
    blocks = np.random.default_rng(0).integers(0, 256, (side // 4, (side + count) // 4 + 1, 3))
    picture = blocks.astype(np.uint8).repeat(4, 0).repeat(4, 1)
    return np.stack([picture[:, i : i + side] for i in range(count)])


def probe(path):
    """What a file says of itself."""
    with open_video(path) as video:
        return video.info


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
    quality["mpeg4"] = quality["mpeg2video"] = {"bf": str(bframes)}
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


def frames_of(path):
    """What the decoder delivers when all packets are fed to it; those that it refuses are skipped.

    Every reader that others use goes this way: OpenCV and FFmpeg themselves, PyAV's decode.
    """
    found = []
    with av.open(f"file:{path}") as file:
        stream = file.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1  # of AV1, more give up more frames after damage
        with contextlib.suppress(av.FFmpegError):  # the file is broken off
            for packet in file.demux(stream):
                if packet.size:
                    with contextlib.suppress(av.FFmpegError):
                        found += stream.codec_context.decode(packet)
        found += stream.codec_context.decode(None)
    return found


def decoded(path):
    """All frames, the plain way: uint8 (T, H, W, 3), not turned."""
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames_of(path)])


def b_frames(path):
    """How many of a file's frames are B-frames."""
    return sum(frame.pict_type == PictureType.B for frame in frames_of(path))


def packets_of(path):
    """All packets of a file's pictures."""
    with av.open(f"file:{path}") as file:
        return [packet for packet in file.demux(video=0) if packet.size]


def with_data(packet, data):
    """A packet like another one that holds something else."""
    new = av.Packet(data)
    new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
    new.is_keyframe = packet.is_keyframe
    return new


def remuxed(source, path, chosen=None, change=None, container=None):
    """Copies packets into another file without decoding them.

    Args:
        source: the file that they come from.
        path: the new file.
        chosen: numbers of the packets, in the order of decoding; all by default.
        change: called with the place and the packet that is copied there; it may change the packet,
            or return another one.
        container: FFmpeg's name of the container, if the suffix does not say it.
    """
    with av.open(str(source)) as old, av.open(str(path), "w", format=container) as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        packets = [packet for packet in old.demux(video=0) if packet.size]
        for place, number in enumerate(range(len(packets)) if chosen is None else chosen):
            packet = packets[number]
            if change is not None:
                packet = change(place, packet) or packet
            packet.stream = stream
            new.mux(packet)
    return path


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
