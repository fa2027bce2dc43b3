# The commands of Nephrocast; each is a script, which says the rest.

.PHONY: run test bench chaos model fmt openapi sqlx sbom

run: ## Install what is missing, start everything on loopback, print the address
	@exec scripts/run

test: ## Every check, from nothing
	@exec scripts/test

bench: ## How fast it is
	@exec scripts/bench

chaos: ## Kill servers, workers and PostgreSQL under load, and count what is lost
	@exec scripts/chaos

model: ## Simulate, train, and compare with the released weights
	@exec scripts/model

fmt: ## Format the code
	@exec scripts/fmt

openapi: ## Write openapi/openapi.json from the code
	@exec scripts/openapi

sbom: ## Write what Nephrocast is made of, as CycloneDX
	@exec scripts/sbom

sqlx: ## Write .sqlx/ from the queries and the migrations
	@exec scripts/sqlx-prepare
