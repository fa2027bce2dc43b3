import { expect, test, type Page } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { bornYearsAgo } from "../pages/patient.js";
import { enter, PASSWORD, signIn } from "../pages/sign_in.js";

const API = "/api/v1";

/** Somebody whose risk has come over thresholds with the second prediction. */
async function worsened(page: Page, mrn: string): Promise<void> {
  const { request } = page;
  const credentials = { email: "clinician@example.org", password: PASSWORD };
  const { access_token } = await (await request.post(`${API}/auth/login`, { data: credentials })).json();
  const headers = { Authorization: `Bearer ${access_token}` };
  const patient = { mrn, given_name: "Persona", family_name: "Crossing", birth_date: bornYearsAgo(60), sex: "female" };
  const { id } = await (await request.post(`${API}/patients`, { headers, data: patient })).json();
  for (const [egfr, uacr, years] of [[58, 5, 3], [28, 742, 0]] as const) {
    const effective_at = new Date(Date.now() - (years * 365 + 1) * 86_400_000).toISOString();
    const observations = [
      { code: "egfr", value: egfr, unit: "mL/min/{1.73_m2}", effective_at },
      { code: "uacr", value: uacr, unit: "mg/g", effective_at },
    ];
    await request.post(`${API}/patients/${id}/observations`, { headers, data: { observations } });
    const queued = await request.post(`${API}/patients/${id}/predictions`, { headers, data: {} });
    const address = `${API}/predictions/${(await queued.json()).id}`;
    await expect
      .poll(async () => (await (await request.get(address, { headers })).json()).status)
      .toBe("succeeded");
  }
}

/** The number at the beginning of a name such as `12 patients: G4 A3, …`. */
const count = (name: string | null) => Number.parseInt((name ?? "").replaceAll(",", ""), 10);

test("the dashboard counts, names who crossed a threshold, and leads to those whom it counts", async ({ page }) => {
  const found = complaints(page);
  const mrn = `E2E-CROSS-${Date.now()}`;
  await worsened(page, mrn);
  // Signing in for the API replaced nothing of the page's session: it begins here.
  await page.context().clearCookies();
  await signIn(page);
  await page.getByRole("link", { name: "Dashboard" }).click();
  await expect(page.getByRole("heading", { name: "Dashboard", level: 1 })).toBeVisible();
  const map = page.getByRole("region", { name: "KDIGO categories" });
  await expect(map.getByRole("columnheader")).toHaveCount(4);
  await expect(map.getByRole("rowheader")).toHaveCount(7);

  const crossed = page.getByRole("region", { name: "Over a threshold this month" });
  const line = crossed.getByRole("listitem").filter({ hasText: mrn });
  await expect(line).toContainText("Crossing, Persona");
  await expect(line).toContainText("2-year risk");
  await expect(line).toContainText("Multidisciplinary care");

  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }
  await fitsTelephone(page);
  await page.setViewportSize({ width: 1440, height: 900 });

  // By keyboard alone: the cell of the map, then as many in the list.
  const cell = map.getByRole("link", { name: /patients?: G4 A3, very high risk/ });
  const patients = count(await cell.textContent());
  await map.getByRole("link").first().focus();
  for (let tabs = 0; tabs < 20 && !(await cell.evaluate((one) => one === document.activeElement)); tabs += 1) {
    await page.keyboard.press("Tab");
  }
  await expect(cell).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/patients\?kdigo_g=G4&kdigo_a=A3$/);
  await expect(page.getByRole("combobox", { name: "Albuminuria" })).toHaveValue("A3");
  await expect(page.getByText(`${patients} patients`, { exact: true })).toBeVisible();

  await page.goto("/dashboard");
  const gaps = page.getByRole("region", { name: "What records lack" });
  const without = gaps.getByRole("row", { name: /^PCR only/ });
  const lacking = count(((await without.textContent()) ?? "").replace(/\D+/g, ""));
  await without.getByRole("link").click();
  await expect(page).toHaveURL(/\/patients\?gap=pcr_only$/);
  await expect(page.getByText(`${lacking} patients`, { exact: true })).toBeVisible();
  await page.goto("/dashboard");
  await line.getByRole("link").click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Crossing");
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("the dashboard is for those who see records", async ({ page }) => {
  await page.goto("/dashboard");
  await enter(page, "researcher@example.org", PASSWORD);
  await expect(page.getByText("This page is not for your role")).toBeVisible();
});
