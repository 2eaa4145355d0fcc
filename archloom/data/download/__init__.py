"""`fetch` downloads files, verified and resumable; `pretrained` is about published weights."""
