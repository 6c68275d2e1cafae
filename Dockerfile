# Training on a rented GPU: docs/remote.md. The wheels of torch bring their own CUDA; what the base adds is the check, when the
# container starts, that the driver is new enough.
FROM nvidia/cuda:13.0.1-base-ubuntu24.04

RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home hai
USER hai
WORKDIR /home/hai
ENV PATH=/home/hai/venv/bin:$PATH PYTHONUNBUFFERED=1 HAI_CACHE=/home/hai/cache

# In layers, the largest and most lasting first: a change of the program sends kilobytes.
RUN python3 -m venv venv && pip install --no-cache-dir torch==2.13.0 torchvision==0.28.0
COPY --chown=hai requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt s3fs==2026.9.0
COPY --chown=hai hai_core ./hai_core

ARG COMMIT=""
ENV HAI_COMMIT=$COMMIT

ENTRYPOINT ["python", "-m", "hai_core"]
