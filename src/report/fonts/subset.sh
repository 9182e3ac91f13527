#!/usr/bin/env bash
# Makes the fonts of figure files from DejaVu 2.37: Latin, Greek, and the signs of numbers and
# formulas. Needs fonttools. The names of people stay whole, so Latin Extended-A is in.
set -euo pipefail
from=${1:?"usage: subset.sh FOLDER_OF_DEJAVU"}
here=$(dirname "$0")
signs=U+0020-007E,U+00A0-017F,U+0391-03C9,U+2010-2026,U+2030-2033,U+2070-208E,U+2102-214B
signs+=,U+2190-2195,U+2202-2215,U+2217-221E,U+2220,U+2225,U+2227-222B,U+223C,U+2248,U+2260-2265,U+226A,U+226B,U+22C5,U+25CF
for font in DejaVuSansCondensed DejaVuSansCondensed-Bold; do
  pyftsubset "$from/$font.ttf" --unicodes="$signs" --no-hinting --layout-features=kern --drop-tables+=MATH,FFTM \
    --name-IDs=0,1,2,3,4,5,6 --output-file="$here/$font.ttf"
done
