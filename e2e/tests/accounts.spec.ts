import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

import { expect, test, type Page } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { fitsTelephone } from "../pages/fits.js";
import { shown } from "../pages/secrets.js";
import { enter, signIn } from "../pages/sign_in.js";

/** The code that an app on a telephone shows for a secret in base 32 at a moment (RFC 6238). */
function code(secret: string, at: number): string {
  const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0"));
  const bytes = bits.join("").match(/.{8}/g)!.map((byte) => parseInt(byte, 2));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const hash = createHmac("sha1", Buffer.from(bytes)).update(step).digest();
  const offset = hash[19] & 15;
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function inBothThemes(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }
}

test("a new user sets a password, adds a second factor and ends a session", async ({ browser, page }) => {
  test.setTimeout(180_000);
  const email = `ada.${Date.now()}@example.org`;
  const password = "seven lazy otters juggle";
  await signIn(page, "admin");
  await page.goto("/users");
  await expect(page.getByRole("row").filter({ hasText: "clinician@example.org" })).toBeVisible();
  await inBothThemes(page);
  await page.getByRole("button", { name: "New user" }).click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel(/^Name/).fill("Ada Testwell");
  await inBothThemes(page);
  await page.getByRole("button", { name: "Make account" }).click();
  const link = await page.locator("[data-secret]").innerText();
  expect(new URL(link).hash.length).toBe(44);
  shown("the secret of a link", new URL(link).hash.slice(1));
  shown("a password that was chosen", password);
  await page.getByRole("button", { name: "I have passed it on" }).click();
  await expect(page.getByRole("row").filter({ hasText: email })).toContainText("No password yet");

  const own = await (await browser.newContext()).newPage();
  await own.goto(link);
  await own.getByLabel("New password").fill("ada testwell");
  await own.getByRole("button", { name: "Set password" }).click();
  await expect(own.getByRole("alert")).toContainText("too easy to guess");
  await inBothThemes(own);
  await own.getByLabel("New password").fill(password);
  await own.getByRole("button", { name: "Set password" }).click();
  await own.getByRole("link", { name: "Sign in" }).click();
  await enter(own, email, password);
  await expect(own.getByRole("heading", { name: "Patients", level: 1 })).toBeVisible();

  await own.goto("/account");
  await own.getByRole("button", { name: "Set up" }).click();
  await own.getByLabel("Your password, once more").fill(password);
  await own.getByRole("button", { name: "Go on" }).click();
  await expect(own.getByRole("img", { name: /QR code/ })).toBeVisible();
  await inBothThemes(own);
  const secret = await own.locator("[data-secret]").innerText();
  shown("the secret of a second factor", secret);
  await own.getByLabel("Code that the app shows").fill(code(secret, Date.now()));
  await own.getByRole("button", { name: "Confirm" }).click();
  await expect(own.getByRole("heading", { name: "Keep your recovery codes" })).toBeVisible();
  const recovery = (await own.locator("[data-secret]").innerText()).trim().split("\n");
  expect(recovery.length).toBe(10);
  await own.getByRole("button", { name: "I have kept them" }).click();
  await expect(own.getByText("10 recovery codes are left")).toBeVisible();
  await inBothThemes(own);
  await own.getByRole("button", { name: "New recovery codes" }).click();
  await own.getByLabel("Your password").fill(password);
  await own.getByRole("button", { name: "Make new codes" }).click();
  await expect(own.getByRole("heading", { name: "Keep your recovery codes" })).toBeVisible();
  const fresh = (await own.locator("[data-secret]").innerText()).trim().split("\n");
  expect(fresh.filter((one) => recovery.includes(one))).toEqual([]);
  expect(fresh.length).toBe(10);
  const codes = [...recovery, ...fresh];
  shown("a recovery code", ...codes, ...codes.map((one) => one.replaceAll("-", "")));
  await own.getByRole("button", { name: "I have kept them" }).click();

  const other = await (await browser.newContext()).newPage();
  await other.goto("/sign-in");
  const asked = other.waitForResponse("**/auth/login");
  await enter(other, email, password);
  shown("a challenge", (await (await asked).json()).challenge);
  await other.getByLabel("Code from your app").fill("000000");
  await other.getByRole("button", { name: "Confirm" }).click();
  await expect(other.getByRole("alert")).toContainText("The code is wrong");
  await inBothThemes(other);
  // The code of this half minute was used; the next one counts already.
  await other.getByLabel("Code from your app").fill(code(secret, Date.now() + 30_000));
  await other.getByRole("button", { name: "Confirm" }).click();
  await expect(other.getByRole("heading", { name: "Patients", level: 1 })).toBeVisible();

  await own.reload();
  await own.getByRole("button", { name: /^End Chrome/ }).click();
  await expect(own.getByRole("button", { name: /^End Chrome/ })).toHaveCount(0);
  await other.reload();
  await expect(other.getByRole("button", { name: "Sign in" })).toBeVisible();

  await page.getByRole("row").filter({ hasText: email }).getByRole("button").click();
  await page.getByRole("button", { name: "Deactivate" }).click();
  await expect(page.getByRole("row").filter({ hasText: email })).toContainText("Deactivated");
  await own.reload();
  await expect(own.getByRole("button", { name: "Sign in" })).toBeVisible();
});

test("a patient saves a copy of their record; nobody else is offered one", async ({ page, browser }) => {
  await signIn(page, "patient");
  await page.goto("/account");
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save a copy" }).click();
  const file = await (await saved).path();
  const kinds = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line).kind);
  expect(kinds[0]).toBe("exported_at");
  expect(kinds).toEqual(expect.arrayContaining(["patient", "observation", "access"]));
  await inBothThemes(page);

  const clinician = await (await browser.newContext()).newPage();
  await signIn(clinician);
  await clinician.goto("/account");
  await expect(clinician.getByRole("button", { name: "Change password" })).toBeVisible();
  await expect(clinician.getByRole("button", { name: "Save a copy" })).toHaveCount(0);
});

test("an administrator changes the settings; nobody else finds them", async ({ page, browser }) => {
  await signIn(page, "admin");
  await page.goto("/settings");
  await inBothThemes(page);
  await page.getByLabel("KFRE baseline").selectOption("other");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await page.getByLabel("KFRE baseline").selectOption("north_america");
  await page.getByLabel("and in any case after hours").fill("0");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText("attention");
  await page.getByLabel("and in any case after hours").fill("12");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of ["/settings", "/users", "/account"]) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await fitsTelephone(page);
  }

  const clinician = await (await browser.newContext()).newPage();
  await signIn(clinician);
  await clinician.getByRole("button", { name: /^Account/ }).click();
  await expect(clinician.getByRole("link", { name: "Your account" })).toBeVisible();
  await expect(clinician.getByRole("link", { name: "Users" })).toHaveCount(0);
  for (const path of ["/settings", "/users"]) {
    await clinician.goto(path);
    await expect(clinician.getByText("This page is not for your role")).toBeVisible();
  }
});

test("before a session ends there is a way to stay", async ({ page }) => {
  await page.clock.install();
  await signIn(page);
  await page.goto("/about");
  // Before the session is known there is nothing that could end.
  await expect(page.getByRole("button", { name: /^Account/ })).toBeVisible();
  await page.clock.runFor("27:30");
  const warning = page.getByRole("dialog", { name: "Your session is about to end" });
  await expect(warning).toBeVisible();
  expect(await barriers(page)).toEqual([]);
  await warning.getByRole("button", { name: "Stay signed in" }).click();
  await expect(warning).toHaveCount(0);
});
