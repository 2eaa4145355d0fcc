"""Pictures of MuJoCo's models, without a screen: by EGL if that works here, else by OSMesa.

Which of them works is tried in child processes, since the wrong one may crash or hang a process; the choice is made
once in a process, and put into MUJOCO_GL for its children and for libraries that read it. If the user has set MUJOCO_GL
it stays as it is. All pictures of a process are made in one OpenGL context, which is made at the first one (in about a
second) and freed when the process ends: several of them on one GPU have hung in `mjr_readPixels` (mujoco's issue 3444).
"""

from __future__ import annotations

import atexit
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import InputError
from archloom.tasks.control.frames import Picture

VARIABLE = "MUJOCO_GL"
EGL, OSMESA, GLFW = "egl", "osmesa", "glfw"
PACKAGES: Mapping[str, str] = {EGL: "libegl1", OSMESA: "libosmesa6"}
"""Debian's packages, by what they bring; in the order in which they are tried."""

PROBE_LIMIT_S = 60.0
"""A probe takes about a second; on a machine that has just been started it reads some hundred megabytes."""
_PROBE = f"import sys; sys.path[:0] = [{str(Path(__file__).parents[3])!r}]; from {__name__} import probe; probe()"
_SIDE = 84
_BALL = "<mujoco><worldbody><light pos='0 0 3'/><geom size='1'/></worldbody></mujoco>"


@cache
def backend() -> str:
    """What MuJoCo renders with in this process: MUJOCO_GL if that is set, else what works, which it is set to.

    InputError, in one line that names the packages to install, if nothing works.
    """
    if sys.platform != "linux":
        return ""
    name = choose(os.environ)
    os.environ[VARIABLE] = name
    return name


def choose(environ: Mapping[str, str], limit_s: float = PROBE_LIMIT_S) -> str:
    """What to render with in this environment of variables."""
    asked = environ.get(VARIABLE, "").lower().strip()
    if asked in (EGL, OSMESA, GLFW):
        return asked
    if asked:
        raise InputError(f"{VARIABLE}={asked} renders no pictures: unset it, or use {EGL} or {OSMESA}")
    failures = {}
    for name in PACKAGES:
        failure = _failure(name, environ, limit_s)
        if not failure:
            return name
        failures[name] = failure
    reasons = "; ".join(f"{name}: {failure}" for name, failure in failures.items())
    packages = " or ".join(PACKAGES.values())
    raise InputError(f"pictures of MuJoCo need EGL or OSMesa, and neither works here: install {packages} ({reasons})")


def _failure(name: str, environ: Mapping[str, str], limit_s: float) -> str:
    """Why nothing can be rendered so, tried in a process of its own; empty if it can."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(  # noqa: S603 - this Python
            [sys.executable, "-c", _PROBE], env={**environ, VARIABLE: name}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            code = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            child.kill()
            with suppress(subprocess.TimeoutExpired):  # which even that may not end, while it waits for a driver
                child.wait(5)
            return f"no answer in {limit_s:g} s"
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    if code < 0:
        return f"ended by signal {-code}"
    return (lines or ["no reason given"])[-1] if code else ""


def probe() -> None:
    """Render a ball with what MUJOCO_GL names, or exit with the reason. Run in a child process."""
    import mujoco

    model = mujoco.MjModel.from_xml_string(_BALL)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    try:
        picture = Renderer(model, -1, _SIDE, effects=True).picture(data)
    except InputError as error:
        sys.exit(str(error.__cause__ or error))
    if picture.min() == picture.max():
        sys.exit("the picture of a ball is empty")


@cache
def _context() -> Any:
    """The OpenGL context of this process. InputError if it cannot be made."""
    name = backend()
    try:
        if name:
            context = importlib.import_module(f"mujoco.{name}").GLContext(_SIDE, _SIDE)
        else:
            context = importlib.import_module("mujoco").GLContext(_SIDE, _SIDE)  # the platform's own
        context.make_current()
    except Exception as error:  # bindings of a library that is not there fail in many ways
        package = PACKAGES.get(name)
        cure = f"install {package}, or unset {VARIABLE}" if package else f"unset {VARIABLE}"
        raise InputError(f"{VARIABLE}={name} does not work here ({error}): {cure}") from error
    atexit.register(context.free)
    return context


def is_started() -> bool:
    """Whether this process has rendered, or made sure that it can."""
    return _context.cache_info().currsize > 0


def device() -> str:
    """What MuJoCo renders with in this process, and on what: "egl on llvmpipe (LLVM 15.0.6, 256 bits)"."""
    _context().make_current()
    from OpenGL import GL

    return f"{backend() or sys.platform} on {GL.glGetString(GL.GL_RENDERER).decode()}"


class Renderer:
    """Square pictures of a MuJoCo model, by one of its cameras; -1 is one that sees all of it.

    Multisampled as the model says (4 samples in the suite). `effects` are shadows and reflections. Pictures with them
    are those of dm_control's `Physics.render`, byte for byte. InputError if they are too large for this machine.
    """

    def __init__(self, model: Any, camera: int, size: int, effects: bool) -> None:
        import mujoco

        self._mujoco = mujoco
        self._model = model
        self._gl = _context()
        self._gl.make_current()
        offscreen, quality = model.vis.global_, model.vis.quality
        offscreen.offwidth = offscreen.offheight = size
        shadows = quality.shadowsize
        quality.shadowsize = shadows if effects else 0
        try:
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        except mujoco.FatalError as error:
            said = f"pictures of {size} x {size} cannot be rendered with {VARIABLE}={backend()} ({error})"
            raise InputError(f"{said}: use smaller ones, or unset {VARIABLE}") from error
        quality.shadowsize = shadows
        self._scene = mujoco.MjvScene(model, maxgeom=10_000)
        if not effects:
            self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
            self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._camera = mujoco.MjvCamera()
        if camera < 0:
            mujoco.mjv_defaultFreeCamera(model, self._camera)
        else:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
            self._camera.fixedcamid = camera
        self._options = mujoco.MjvOption()
        self._view = mujoco.MjrRect(0, 0, size, size)
        self._pixels = np.empty((size, size, 3), np.uint8)  # from the bottom up

    def picture(self, data: Any) -> Picture:
        """(size, size, 3) of the model in a state."""
        mujoco = self._mujoco
        self._gl.make_current()
        # Renderers share one OpenGL context, and a buffer that another has chosen is of another size.
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._camera, everything, self._scene)
        mujoco.mjr_render(self._view, self._scene, self._context)
        mujoco.mjr_readPixels(self._pixels, None, self._view, self._context)
        return np.ascontiguousarray(self._pixels[::-1])

    def update_terrain(self) -> None:
        """See height fields as they are in the model now."""
        self._gl.make_current()
        for field in range(self._model.nhfield):
            self._mujoco.mjr_uploadHField(self._model, self._context, field)

    def close(self) -> None:
        """Free buffers and textures."""
        self._gl.make_current()
        self._context.free()
