# transferlab in a container, run by a user without rights; docs/installation.md has the commands.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# cpu, or cuda for an NVIDIA GPU: torch's wheels bring CUDA, the host the driver.
ARG DEVICE=cpu
# Such as privacy,huggingface; see pyproject.toml.
ARG EXTRAS=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# First what is large and seldom changes.
WORKDIR /src
COPY constraints.txt ./
RUN case "$DEVICE" in \
      cpu) index="--index-url https://download.pytorch.org/whl/cpu" ;; \
      cuda) index="" ;; \
      *) echo "DEVICE is cpu or cuda, not $DEVICE" >&2; exit 2 ;; \
    esac \
    && pip install $index $(grep -E '^(torch|torchvision)==' constraints.txt)

COPY pyproject.toml README.md LICENSE ./
COPY transferlab transferlab
COPY domains domains
COPY pipelines pipelines
RUN pip install -c constraints.txt ".${EXTRAS:+[$EXTRAS]}" && rm -rf /src/*

# Whatever number --user gives, it may write its home (caches, registered domains) and /work.
RUN useradd --create-home --uid 1000 transferlab \
    && mkdir /work && chown transferlab /work \
    && chmod a+rwx /home/transferlab /work
ENV HOME=/home/transferlab
USER transferlab
WORKDIR /work
ENTRYPOINT ["transferlab"]
