import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { shown } from "../pages/secrets.js";
import { signIn } from "../pages/sign_in.js";

test("a token is made, copied, used and revoked", async ({ page, request }) => {
  await signIn(page);
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("link", { name: "API tokens" }).click();
  await expect(page.getByRole("heading", { name: "API tokens", level: 1 })).toBeVisible();
  const name = `laboratory ${Date.now()}`;
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByRole("button", { name: "Make token" }).click();
  await expect(page.getByRole("alert")).toContainText("Choose what the token may do.");
  await page.getByLabel("What it is for").fill(name);
  await page.getByLabel("Search and read records").check();
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("button", { name: "Make token" }).click();

  const secret = await page.locator("[data-secret]").innerText();
  expect(secret).toMatch(/^nct_[0-9A-Za-z]{33}$/);
  shown("an API token that a page showed", secret);
  await page.getByRole("button", { name: "I have kept it" }).click();
  await expect(page.getByText(secret)).toHaveCount(0);
  const headers = { authorization: `Bearer ${secret}` };
  expect((await request.get("/api/v1/patients", { headers })).status()).toBe(200);
  expect((await request.get("/api/v1/tokens", { headers })).status()).toBe(403);

  await page.reload();
  const line = page.getByRole("listitem").filter({ hasText: name });
  await expect(line).toContainText("last used");
  expect(await barriers(page)).toEqual([]);
  await line.getByRole("button", { name: `Revoke ${name}` }).click();
  await page.getByRole("button", { name: "Revoke token" }).click();
  await expect(line).toContainText("Revoked");
  expect((await request.get("/api/v1/patients", { headers })).status()).toBe(401);
});

test("a patient has no tokens", async ({ page }) => {
  await signIn(page, "patient");
  await page.getByRole("button", { name: "Account" }).click();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
  await expect(page.getByRole("link", { name: "API tokens" })).toHaveCount(0);
  await page.goto("/tokens");
  await expect(page.getByText("This page is not for your role")).toBeVisible();
});
