import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { persona, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

for (const colorScheme of ["light", "dark"] as const) {
  test(`an administrator searches the log, looks at an entry and has it checked, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    await signIn(page, "admin");
    await page.getByRole("link", { name: "Audit" }).click();
    await expect(page.getByRole("heading", { name: "Audit log", level: 1 })).toBeVisible();
    const rows = page.getByRole("group", { name: "Audit entries" }).getByRole("row");
    await expect.poll(() => rows.count()).toBeGreaterThan(2);

    await page.getByRole("combobox", { name: "What" }).selectOption("session");
    await expect(page).toHaveURL(/action=session/);
    // Other tests sign in and out meanwhile.
    const signedIn = rows.filter({ hasText: "Signed in" });
    await expect(signedIn.first()).toBeVisible();
    await page.getByRole("textbox", { name: "Account" }).fill("admin@example.org");
    await page.getByRole("textbox", { name: "Account" }).press("Enter");
    await expect(page).toHaveURL(/actor=admin/);
    await expect(signedIn.first()).toContainText("Demo Administrator");

    await page.getByRole("combobox", { name: "Emergency" }).selectOption("false");
    await expect(page).toHaveURL(/emergency=false/);

    await signedIn.first().getByRole("button", { name: /^Details of entry/ }).click();
    const entry = page.getByRole("dialog");
    await expect(entry).toContainText("session.sign_in");
    await expect(entry).toContainText("admin@example.org");
    expect(await barriers(page)).toEqual([]);
    await entry.getByRole("button", { name: "Close" }).click();

    await page.getByRole("button", { name: "Check the log" }).click();
    await expect(page.getByText("The log is whole")).toBeVisible();
    await expect(page.getByText(/sealed entries are as they were sealed/)).toBeVisible();
    expect(await barriers(page)).toEqual([]);

    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export (NDJSON)" }).click();
    expect((await download).suggestedFilename()).toBe("audit-events.ndjson");
  });
}

test("a change shows what was there before and after", async ({ page, browser }) => {
  await signIn(page);
  await register(page, persona(`AUDIT-${Date.now()}`));
  const id = new URL(page.url()).pathname.split("/").pop();

  const section = page.getByRole("region", { name: "Who looked at this record" });
  await section.getByText("Who looked at this record").last().click();
  await expect(section.getByRole("row").filter({ hasText: "Registered the patient" })).toContainText("Demo Clinician");
  expect(await barriers(page)).toEqual([]);

  const admin = await browser.newPage();
  await signIn(admin, "admin");
  await admin.goto(`/audit?patient=${id}&action=patient`);
  const rows = admin.getByRole("group", { name: "Audit entries" }).getByRole("row");
  await rows.filter({ hasText: "Registered the patient" }).getByRole("button", { name: /^Details/ }).click();
  const changes = admin.getByRole("group", { name: "Changes" });
  await expect(changes.getByRole("row").filter({ hasText: "family name" })).toContainText("Careplan");
  await admin.close();
});

test("the audit log is not for clinicians", async ({ page }) => {
  await signIn(page);
  await expect(page.getByRole("link", { name: "Audit" })).toHaveCount(0);
  await page.goto("/audit");
  await expect(page.getByText("This page is not for your role")).toBeVisible();
});
