import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { enter, signIn } from "../pages/sign_in.js";

test("a stranger is asked to sign in", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  expect(await barriers(page)).toEqual([]);
});

test("a wrong password is refused in words, and the address stays typed", async ({ page }) => {
  await page.goto("/sign-in");
  await enter(page, "clinician@example.org", "not the password");
  await expect(page.getByRole("alert")).toContainText("E-mail address or password is wrong");
  await expect(page.getByLabel("E-mail address")).toHaveValue("clinician@example.org");
});

test("a clinician sees the patients, without a complaint of the browser", async ({ page }) => {
  const found = complaints(page);
  await signIn(page);
  await page.goto("/patients");
  await expect(page.getByRole("heading", { name: "Patients", level: 1 })).toBeVisible();
  const rows = page.getByRole("row");
  await expect.poll(() => rows.count()).toBeGreaterThan(10);
  expect(await barriers(page)).toEqual([]);
  // Asking for a session that is not there yet is answered with 401; Chromium logs that.
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("a reload keeps one signed in", async ({ page }) => {
  await signIn(page);
  await page.goto("/patients");
  await page.reload();
  await expect(page.getByRole("heading", { name: "Patients", level: 1 })).toBeVisible();
});
