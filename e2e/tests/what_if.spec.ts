import { expect, test, type Page } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { persona, predict, record, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

/** The row of a voice's table. */
function risk(page: Page, voice: string, horizon: string) {
  return page.getByRole("region", { name: voice }).getByRole("row", { name: horizon });
}

test("the quick calculator gives the persona's risk, and sends nothing", async ({ page }) => {
  const found = complaints(page);
  await signIn(page);
  await page.getByRole("link", { name: "Calculator" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Quick calculator");
  const sent: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname.startsWith("/api/")) sent.push(request.url());
  });
  await page.getByLabel("Age, in years").fill("60");
  await page.getByLabel("Sex").selectOption("female");
  await page.getByLabel("eGFR", { exact: true }).fill("28");
  await page.getByLabel("Urine albumin").fill("742");
  const results = page.getByRole("region", { name: "Results" });
  // Tangri 2016, 4 variables: North America, then elsewhere.
  await expect(results).toContainText(/12\.4\s%/);
  await expect(results).toContainText(/33\.9\s%/);
  await expect(results).toContainText("G4 A3");
  await page.getByLabel("KFRE calibrated for").selectOption("other");
  await expect(results).toContainText(/8\.5\s%/);
  await expect(results).toContainText(/29\.1\s%/);
  expect(await barriers(page)).toEqual([]);
  expect(sent).toEqual([]);
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("the quick calculator refuses what cannot be, and says where the equation ends", async ({ page }) => {
  await signIn(page);
  await page.goto("/calculator");
  await page.getByLabel("Age, in years").fill("50");
  const creatinine = page.getByLabel("Creatinine", { exact: true });
  await creatinine.fill("80");
  await expect(creatinine).toHaveAttribute("aria-invalid", "true");
  await page.getByLabel("Unit").first().selectOption("umol/L");
  await expect(creatinine).not.toHaveAttribute("aria-invalid", "true");
  await expect(page.getByRole("region", { name: "Results" })).toContainText("not valid at an eGFR of 60");
});

test("a what-if moves both voices beside the real values, and keeps nothing", async ({ page }) => {
  const found = complaints(page);
  await signIn(page);
  await register(page, { ...persona(`E2E-IF-${Date.now()}`), family: "Whatif" });
  await record(page, [
    ["egfr", "28", "mL/min/{1.73_m2}"],
    ["uacr", "742", "mg/g"],
  ]);
  await predict(page);
  await page.getByRole("link", { name: "What if?" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("What if?");

  const equation = risk(page, "Kidney Failure Risk Equation", "Within 5 years");
  const network = risk(page, "Network", "Within 5 years");
  await expect(equation.getByRole("cell").first()).toHaveText(/33\.9\s%/);
  await expect(equation.getByRole("cell").nth(1)).toHaveText("");
  const egfr = page.getByRole("slider", { name: "eGFR" });
  await egfr.focus();
  await egfr.press("Home");
  // The worst of kidneys, the same albumin: the risk rises in both.
  await expect(egfr).toHaveAttribute("aria-valuetext", /^5 /);
  await expect(equation.getByRole("cell").nth(1)).toContainText("> 95");
  await expect(network.getByRole("cell").nth(1)).toContainText("+");
  await expect(equation.getByRole("cell").first(), "the real risk stays").toHaveText(/33\.9\s%/);

  await page.getByRole("button", { name: "Back to the real values" }).click();
  await expect(equation.getByRole("cell").nth(1)).toHaveText("");
  await page.getByRole("group", { name: "Diabetes" }).getByRole("radio", { name: "No", exact: true }).check();
  await expect(network.getByRole("cell").nth(1)).toContainText("%");
  await expect(equation.getByRole("cell").nth(1), "the 4 variables are the same").toContainText("33.9");
  expect(await barriers(page)).toEqual([]);
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);

  await page.getByRole("link", { name: "Persona Whatif" }).click();
  await expect(page.getByRole("region", { name: "KFRE", exact: true })).toContainText(/33\.9\s%/);
});
