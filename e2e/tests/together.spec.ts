// What goes wrong around somebody who works: the session ends, a colleague is faster, the network goes.

import { expect, test, type Page } from "@playwright/test";

import { caller, newClinician } from "../pages/api.js";
import { barriers } from "../pages/barriers.js";
import { persona, record, register } from "../pages/patient.js";
import { enter, PASSWORD, signIn } from "../pages/sign_in.js";

test("a session that ends in mid-entry is begun again over the page, and the entry goes through", async ({ page }) => {
  const signedIn = page.waitForResponse((answer) => answer.url().endsWith("/api/v1/auth/login"));
  await signIn(page);
  const { access_token } = await (await signedIn).json();
  await register(page, { ...persona(`E2E-SESSION-${Date.now()}`), family: "Midentry" });
  // The server ends it behind the page's back, as an administrator or the clock would.
  const ended = await page.request.post("/api/v1/auth/logout", { headers: { authorization: `Bearer ${access_token}` } });
  expect(ended.ok()).toBe(true);
  await record(page, [["egfr", "31", "mL/min/{1.73_m2}"]]);
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await expect(dialog).toContainText("Everything on the page is still there");
  expect(await barriers(page)).toEqual([]);
  // Escape does not leave the entry waiting for nothing.
  await page.keyboard.press("Escape");
  await dialog.getByLabel("Password").fill(PASSWORD);
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText("1 value recorded")).toBeVisible();
  await expect(page.getByRole("group", { name: "eGFR" })).toContainText("31");
});

/** Opens the form with the facts, and says of some of them what is so. */
async function change(page: Page, facts: Record<string, string>): Promise<void> {
  for (const [fact, answer] of Object.entries(facts)) {
    await page.getByRole("group", { name: fact }).getByRole("radio", { name: answer, exact: true }).check();
  }
}

test("two clinicians change one patient: nobody's change is lost, and where they differ they are told", async ({ page, browser, request, baseURL }) => {
  const password = "seven lazy otters juggle";
  const admin = await caller(request, baseURL!, "admin@example.org");
  const email = await newClinician(request, baseURL!, admin, "Cid Secondhand", password);
  await signIn(page);
  await register(page, { ...persona(`E2E-TWO-${Date.now()}`), family: "Shared" });
  const record = page.url();
  const other = await (await browser.newContext()).newPage();
  await other.goto("/sign-in");
  await enter(other, email, password);
  await expect(other.getByRole("heading", { name: "Patients", level: 1 })).toBeVisible();

  // Both have the form open; the other one is faster.
  await page.goto(`${record}/edit`);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Shared");
  await other.goto(`${record}/edit`);
  await change(other, { Smoking: "Yes", "Heart failure": "Yes" });
  await other.getByRole("button", { name: "Save" }).click();
  await expect(other).toHaveURL(record);

  await change(page, { Smoking: "No", "Cardiovascular disease": "Yes" });
  await page.getByRole("button", { name: "Save" }).click();
  const note = page.getByRole("alert").filter({ hasText: "Somebody changed this record while you were editing" });
  await expect(note.getByRole("listitem")).toHaveText([
    /^Heart failure: was “unknown”, is recorded now as “yes”$/, /^Smokes now: .*recorded now as “yes”; yours is “no”/,
  ]);
  // What only the other changed is in the form, and what only oneself changed still is.
  const says = (fact: string, answer: string) =>
    expect(page.getByRole("group", { name: fact }).getByRole("radio", { name: answer, exact: true })).toBeChecked();
  await says("Heart failure", "Yes");
  await says("Cardiovascular disease", "Yes");
  await says("Smoking", "No");
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page).toHaveURL(record);
  await other.goto(`${record}/edit`);
  for (const [fact, answer] of [["Smoking", "No"], ["Heart failure", "Yes"], ["Cardiovascular disease", "Yes"]]) {
    await expect(other.getByRole("group", { name: fact }).getByRole("radio", { name: answer, exact: true })).toBeChecked();
  }
});

test("offline and back: an entry waits for the server, and goes through once when it is there again", async ({ page, context }) => {
  await signIn(page);
  await register(page, { ...persona(`E2E-OFFLINE-${Date.now()}`), family: "Tunnel" });
  await context.setOffline(true);
  await record(page, [["egfr", "33", "mL/min/{1.73_m2}"]]);
  const note = page.getByRole("status").filter({ hasText: "You are offline" });
  await expect(note).toContainText("1 change waits to be sent.");
  expect(await barriers(page)).toEqual([]);
  await context.setOffline(false);
  await expect(page.getByText("The server is back.")).toBeVisible();
  await expect(page.getByText("1 value recorded")).toBeVisible();
  await page.reload();
  await expect(page.getByRole("group", { name: "eGFR" })).toContainText("33");
  const values = page.getByRole("region", { name: "Values" }).getByRole("row").filter({ hasText: "eGFR" });
  await expect(values).toHaveCount(1);
});
