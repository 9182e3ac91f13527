# docker build -t lacuna .
# docker run --rm -v "$PWD:/work" lacuna run scan.cxi --output out      (with --gpus all on GPUs)
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --release --bin lacuna \
    && target/release/lacuna man --quiet --output /share/man/man1 \
    && mkdir -p /share/bash-completion/completions /share/doc/lacuna \
    && target/release/lacuna completions bash > /share/bash-completion/completions/lacuna \
    && cp LICENSE-MIT LICENSE-APACHE README.md /share/doc/lacuna/ \
    && python3 tools/licences.py > /share/doc/lacuna/THIRD-PARTY.txt

FROM debian:bookworm-slim
COPY --from=build /src/target/release/lacuna /usr/local/bin/lacuna
COPY --from=build /share /usr/local/share
# The driver comes from the host; these ask NVIDIA's container toolkit for it.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /work
ENTRYPOINT ["lacuna"]
CMD ["--help"]
