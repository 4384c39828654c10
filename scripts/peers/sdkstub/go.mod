module chainguard.dev/sdk

go 1.24
