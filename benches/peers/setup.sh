#!/bin/bash
# Installs the peers into one folder, without root: PyNX 2025.1 from Debian's python3-pynx (it is
# not on PyPI for CPUs alone), cohere-core, pyFFTW with Debian's FFTW. About 3 minutes and 1.2 GB.
# Run it again to mend or complete the folder. PYTHON=... chooses the Python (3.11 or newer).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
env=${1:-$here/.env}
mkdir -p "$env"
env=$(cd "$env" && pwd)

[ -x "$env/venv/bin/pip" ] || "${PYTHON:-python3}" -m venv "$env/venv"
# What PyNX 2025.1 and cohere 4.5.4 import; scipy 2 drops a module that PyNX needs.
"$env/venv/bin/pip" install -q --disable-pip-version-check numpy 'scipy<2' pyfftw psutil h5py matplotlib scikit-image scikit-learn \
    fabio silx packaging mako numexpr pooch pytools hdf5plugin nxtomo tomoscan tifffile tqdm

# Debian packages by name/suite, unpacked into $env/debian with lists and caches of their own, so
# that the system is left as it is.
debian() {
    local apt=$env/apt mirror
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$env/debian"
    # The mirror that this machine already uses, unless DEBIAN_MIRROR names one.
    mirror=${DEBIAN_MIRROR:-$(grep -hsoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/* | head -1 || true)}
    [ -n "$mirror" ] || { echo "no mirror of Debian is known here: name one in DEBIAN_MIRROR" >&2; return 1; }
    printf 'Types: deb\nURIs: %s\nSuites: trixie bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
        "$mirror" > "$apt/debian.sources"
    local options=(-o "Dir::Etc::SourceList=$apt/debian.sources" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$apt/lists"
        -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=)
    apt-get "${options[@]}" -qq update && (cd "$apt" && apt-get "${options[@]}" -qq download "$@" &&
        for package in ./*.deb; do dpkg -x "$package" "$env/debian"; done)
}
# The FFTW in pyFFTW's wheel is 3.3.5 without AVX2; Debian's 3.3.10 has it and is put before it
# (LD_PRELOAD), as a user who cares for speed would have it. Bookworm's, since it runs with an older
# C library too.
[ -e "$env/debian/usr/lib/python3/dist-packages/pynx" ] && ls "$env"/debian/usr/lib/*/libfftw3f_omp.so.3 > /dev/null 2>&1 ||
    debian python3-pynx/trixie libfftw3-single3/bookworm || echo "Debian's packages cannot be had: no PyNX, and the FFTW of pyFFTW's wheel" >&2

# Without its dependencies, which bring sphinx for its manual.
"$env/venv/bin/pip" install -q --disable-pip-version-check --no-deps cohere-core==4.5.4 || true

# The Python of all peers. libgomp's threads spin while they wait, which would count as the peers'
# CPU seconds: they sleep instead.
fftw=$(ls "$env"/debian/usr/lib/*/libfftw3f.so.3 "$env"/debian/usr/lib/*/libfftw3f_omp.so.3 2> /dev/null | paste -sd: || true)
cat > "$env/python" << END
#!/bin/sh
export LD_PRELOAD="$fftw" PYTHONPATH="$env/debian/usr/lib/python3/dist-packages" OMP_WAIT_POLICY=passive
exec "$env/venv/bin/python" "\$@"
END
chmod +x "$env/python"

# run.py runs the peers of this list: those that can be imported.
: > "$env/peers"
for peer in pyfftw pynx cohere; do
    if "$env/python" "$here/peer_$peer.py" version > "$env/$peer.log" 2>&1; then
        echo "$peer" >> "$env/peers"
        tail -1 "$env/$peer.log"
    else
        echo "$peer is left out: $(tail -1 "$env/$peer.log")" >&2
    fi
done
