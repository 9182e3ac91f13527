#!/usr/bin/env bash
# What the build needs beside Rust, a C compiler and Python 3: cmake, for the HDF5 that is linked
# statically. Where there is none, it comes from pip into .venv of this checkout. With --test also
# the Python packages that the tests exchange files with, with --vulkan a Vulkan driver. Run it, or
# source it: then cmake is on PATH. Does nothing when all is there.
lacuna_setup() {
  local top venv packages=() name
  top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || return 1
  venv=$top/.venv
  # Both forms of installation: an environment, or a plain folder where python3-venv is missing.
  export PATH="$venv/bin:$PATH"
  if [ -d "$venv/plain" ]; then export PYTHONPATH="$venv/plain${PYTHONPATH:+:$PYTHONPATH}"; fi

  # A cmake that is there but does not start (an environment that was moved) counts as missing.
  cmake --version >/dev/null 2>&1 || packages+=(cmake)
  if [ "${1:-}" = --test ]; then
    local python=python3
    if [ -x "$venv/bin/python" ]; then python=$venv/bin/python; fi
    for name in numpy h5py tifffile hdf5plugin xrayutilities vtk silx mat73; do
      "$python" -c "import $name" >/dev/null 2>&1 || packages+=("$name")
    done
  fi
  if [ "${1:-}" = --vulkan ] && ! ls /usr/share/vulkan/icd.d/*.json >/dev/null 2>&1; then
    # Mesa's driver computes on the processor. Tests of graphics cards skip where it is missing, and
    # where it is as old as Debian 12's: of Debian's backports, which are a source for this alone, it is
    # new enough.
    local sources codename mirror
    driver() { apt-get install -y --no-install-recommends "$@" mesa-vulkan-drivers libvulkan1; }
    newer_driver() {
      codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
      # From where the system has its own packages.
      mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | awk -v of="$codename" '$2 == of {print $1; exit}')
      [ -n "$mirror" ] || return 1
      cp /etc/apt/sources.list.d/* "$sources" 2>/dev/null
      echo "deb $mirror $codename-backports main" >"$sources/newer.list"
      apt-get -o Dir::Etc::SourceParts="$sources" update && driver -o Dir::Etc::SourceParts="$sources" -t "$codename-backports"
    }
    sources=$(mktemp -d)
    { [ "$(id -u)" = 0 ] && apt-get update && { newer_driver || driver; }; } >/dev/null 2>&1 ||
      echo "tools/setup.sh: no Vulkan driver, and mesa-vulkan-drivers could not be installed" >&2
    unset -f driver newer_driver
    rm -rf "$sources"
  fi
  if [ ${#packages[@]} -eq 0 ]; then return 0; fi

  command -v python3 >/dev/null || { echo "tools/setup.sh: python3 is missing: install it (Debian: python3 python3-venv)" >&2; return 1; }
  echo "tools/setup.sh: installing ${packages[*]} into $venv" >&2
  if [ -x "$venv/bin/python" ] || python3 -m venv "$venv" >/dev/null 2>&1; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" || return 1
  elif python3 -m pip --version >/dev/null 2>&1; then
    # Debian splits venv off: a plain folder serves as well.
    rm -rf "$venv/bin/python" "$venv/bin/python3" "$venv/pyvenv.cfg"
    python3 -m pip install --quiet --disable-pip-version-check --target "$venv/plain" "${packages[@]}" || return 1
    export PYTHONPATH="$venv/plain${PYTHONPATH:+:$PYTHONPATH}"
    mkdir -p "$venv/bin"
    for name in "$venv/plain/bin/"*; do ln -sf "../plain/bin/${name##*/}" "$venv/bin/"; done
  else
    echo "tools/setup.sh: python3 has neither venv nor pip: install the package python3-venv (or cmake itself)" >&2
    return 1
  fi
  hash -r
  cmake --version >/dev/null 2>&1 || { echo "tools/setup.sh: cmake still does not start: install the package cmake" >&2; return 1; }
}
lacuna_setup "$@"
