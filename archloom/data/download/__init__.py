"""`fetch` downloads files, checked and continued; `pretrained` are published weights."""
