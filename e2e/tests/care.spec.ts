import { expect, test } from "@playwright/test";

import { caller, newClinician, type Caller } from "../pages/api.js";
import { barriers } from "../pages/barriers.js";
import { persona, register } from "../pages/patient.js";
import { enter, signIn } from "../pages/sign_in.js";

async function setVisibility(admin: Caller, visibility: string): Promise<void> {
  const { etag } = (await admin.send("GET", "/settings")).headers();
  await admin.send("PATCH", "/settings", { visibility }, etag);
}

// It changes who sees whom on the whole site: playwright.config.ts runs it after everything else.
test("where care teams bind, a record opens in an emergency, and its team sees that @site", async ({ page, browser, request, baseURL }) => {
  test.setTimeout(120_000);
  const mrn = `E2E-CARE-${Date.now()}`;
  const password = "seven lazy otters juggle";
  const admin = await caller(request, baseURL!, "admin@example.org");
  const email = await newClinician(request, baseURL!, admin, "Bea Otherward", password);

  await signIn(page);
  await register(page, { ...persona(mrn), family: "Guarded" });
  const other = await (await browser.newContext()).newPage();
  await other.goto("/sign-in");
  await enter(other, email, password);
  await expect(other.getByRole("heading", { name: "Patients", level: 1 })).toBeVisible();
  try {
    await setVisibility(admin, "care_team");
    await other.goto("/patients");
    await other.getByRole("searchbox").fill(mrn);
    await expect(other.getByRole("heading", { name: "Nobody matches" })).toBeVisible();
    await other.goto("/emergency-access");
    await other.getByLabel("Medical record number").fill(mrn);
    await other.getByLabel("Reason").fill("Brought in unconscious");
    expect(await barriers(other)).toEqual([]);
    await other.getByRole("button", { name: "Open the record" }).click();
    await other.getByRole("link", { name: /Guarded/ }).click();
    await expect(other.getByRole("heading", { level: 1 })).toContainText("Guarded");

    await page.getByRole("link", { name: "Care team" }).click();
    const opened = page.getByRole("region", { name: "Opened in an emergency" });
    await expect(opened).toContainText("Bea Otherward");
    await expect(opened).toContainText("Brought in unconscious");
    await other.goto(page.url());
    const own = other.getByRole("region", { name: "Opened in an emergency" });
    expect(await barriers(other)).toEqual([]);
    await own.getByRole("button", { name: "End it now" }).click();
    await expect(own.getByText(/^ended /)).toBeVisible();
    await other.goto("/patients");
    await other.getByRole("searchbox").fill(mrn);
    await expect(other.getByRole("heading", { name: "Nobody matches" })).toBeVisible();
    await page.getByLabel("Colleague").fill("Otherward");
    await page.getByRole("button", { name: "Share with Bea Otherward" }).click();
    await expect(page.getByRole("region", { name: "Members" })).toContainText("Bea Otherward");
    expect(await barriers(page)).toEqual([]);
    await other.goto("/patients");
    await other.getByRole("searchbox").fill(mrn);
    await expect(other.getByRole("row").filter({ hasText: mrn })).toBeVisible();
  } finally {
    await setVisibility(admin, "organisation");
  }
});
