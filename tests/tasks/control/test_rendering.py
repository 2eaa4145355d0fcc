"""What MuJoCo renders with."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="environments need the extra control")

from archloom.errors import InputError
from archloom.tasks.control import rendering

NEITHER = {"PYOPENGL_PLATFORM": "glx"}
"""With this MuJoCo refuses both EGL and OSMesa, whatever is installed."""


def variables(**changes: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != rendering.VARIABLE} | changes


@pytest.mark.parametrize("name", ["egl", "osmesa", "glfw", " EGL "])
def test_what_the_user_chose_is_kept(name: str) -> None:
    assert rendering.choose({rendering.VARIABLE: name}) == name.strip().lower()


@pytest.mark.parametrize("name", ["off", "mesa"])
def test_a_choice_that_renders_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"MUJOCO_GL={name} renders no pictures: unset it, or use egl or osmesa"):
        rendering.choose({rendering.VARIABLE: name})


def test_if_neither_works_packages_are_named() -> None:
    with pytest.raises(InputError) as told:
        rendering.choose(variables(**NEITHER))
    said = str(told.value)
    assert "install libegl1 or libosmesa6 (egl: " in said
    assert "Cannot use OSMesa" in said
    assert "\n" not in said


def test_what_hangs_is_not_waited_for() -> None:
    with pytest.raises(InputError, match=r"egl: no answer in 0.001 s; osmesa: no answer in 0.001 s"):
        rendering.choose(variables(), limit_s=0.001)


def test_what_crashes_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_PROBE", "import os; os.abort()")
    with pytest.raises(InputError, match="egl: ended by signal 6; osmesa: ended by signal 6"):
        rendering.choose(variables())


def test_a_choice_that_does_not_work_is_told_with_its_package() -> None:
    script = "from archloom.tasks.control import rendering; rendering.device()"
    environ = variables(MUJOCO_GL="osmesa", PYTHONPATH=os.pathsep.join(sys.path), **NEITHER)
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert "InputError: MUJOCO_GL=osmesa does not work here (Cannot use OSMesa" in last
    assert last.endswith("install libosmesa6, or unset MUJOCO_GL")


HILLS = """<mujoco><asset><hfield name="hills" nrow="5" ncol="5" size="1 1 1 .1"/></asset>
<worldbody><light pos="0 0 3"/><geom type="hfield" hfield="hills"/></worldbody></mujoco>"""


def test_terrain_is_seen_as_it_is_now(pixels: None) -> None:
    import mujoco

    model = mujoco.MjModel.from_xml_string(HILLS)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer = rendering.Renderer(model, -1, 40, effects=False)
    flat = renderer.picture(data)
    model.hfield_data[:] = np.random.default_rng(0).uniform(0, 1, 25)
    assert (renderer.picture(data) == flat).all()
    renderer.update_terrain()
    hilly = renderer.picture(data)
    assert (hilly != flat).any()
    assert (hilly == rendering.Renderer(model, -1, 40, effects=False).picture(data)).all()
    renderer.close()


def test_one_is_chosen_and_said(pixels: None) -> None:
    chosen = rendering.backend()
    assert chosen in ("egl", "osmesa", "glfw")
    assert os.environ[rendering.VARIABLE] == chosen
    assert rendering.device().startswith(f"{chosen} on ")
