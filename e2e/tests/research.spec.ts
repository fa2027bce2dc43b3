import { readFile } from "node:fs/promises";

import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { signIn } from "../pages/sign_in.js";

for (const scheme of ["light", "dark"] as const) {
  test(`a researcher asks for figures of groups (${scheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    const found = complaints(page);
    await signIn(page, "researcher");
    await expect(page.getByRole("heading", { name: "Research", level: 1 })).toBeVisible();
    const answer = page.getByRole("region", { name: "Answer" });
    await expect(answer.getByRole("row", { name: /^G3/ }).first()).toBeVisible();
    await page.getByLabel("Group by").selectOption("sex");
    await expect(answer.getByRole("row", { name: /^female \d+/ })).toBeVisible();
    await page.getByLabel("Show").selectOption("egfr");
    await expect(answer.getByRole("columnheader", { name: "Median" })).toBeVisible();
    expect(await barriers(page)).toEqual([]);
    await page.getByLabel("Show").selectOption("histogram");
    await answer.locator(".chart").first().scrollIntoViewIfNeeded();
    await expect(answer.locator(".chart svg").first()).toContainText("People");
    await answer.getByText("Show as a table").first().click();
    await expect(answer.getByRole("columnheader", { name: "5-year risk" }).first()).toBeVisible();
    expect(await barriers(page)).toEqual([]);
    await page.getByText("Only some people").click();
    await page.getByLabel("Diabetes").selectOption("yes");
    await expect(page.getByText("diabetes=yes")).toBeVisible();
    await page.getByLabel("When").selectOption("years");
    await page.getByLabel("Show").selectOption("egfr");
    // The charts of one group each stay until the one of all years is there.
    await expect(answer.locator(".chart")).toHaveCount(1);
    await answer.locator(".chart").scrollIntoViewIfNeeded();
    await expect(page.getByRole("img", { name: /^Mean eGFR .* by calendar year$/ })).toBeVisible();
    await answer.getByText("Show as a table").click();
    await expect(answer.getByRole("columnheader", { name: /^yes, female$|^female, yes$|^female$/ }).first()).toBeVisible();
    await expect(answer.getByRole("columnheader", { name: "Year", exact: true }).last()).toBeVisible();
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download these figures" }).click();
    const file = await readFile(await (await saved).path(), "utf8");
    expect(file.startsWith("calendar_year,diabetes,sex,people,kidney_failure,deaths,age_known,")).toBe(true);
    await page.getByLabel("Show").selectOption("missing");
    await expect(answer.getByRole("columnheader", { name: "HbA1c" })).toBeVisible();
    expect(await barriers(page)).toEqual([]);

    await fitsTelephone(page);
    expect(found.filter((text) => !text.includes("401"))).toEqual([]);
  });
}

test("a private count is paid for once, and what was told is compared with what happened", async ({ page }) => {
  await signIn(page, "researcher");
  const section = page.getByRole("region", { name: "Private counts" }).first();
  await section.getByLabel("Spend (ε)").selectOption("0.05");
  await section.getByRole("button", { name: "Count and pay" }).click();
  await expect(section.getByText(/19 of 20 counts are at most 60 from the truth/)).toBeVisible();
  await section.getByRole("button", { name: "Count and pay" }).click();
  await expect(section.getByText("Answered before, so it cost nothing.")).toBeVisible();
  await expect(section.getByRole("status")).toHaveText(/left$/);
  const saved = page.waitForEvent("download");
  await section.getByRole("button", { name: "Download these counts" }).click();
  expect(await readFile(await (await saved).path(), "utf8")).toMatch(/^stage,people\nG1,-?\d+\n/);
  const code = page.getByRole("group", { name: "Code" });
  for (const [what, told] of [
    ["private", /private-counts.*'\{"group_by":\["stage"\],"filters":\{\},"epsilon":0.05\}'/s],
    ["performance", /model-performance'/], ["rows", /export\?format=csv' -o rows.csv/],
  ] as const) {
    await page.getByLabel("What", { exact: true }).selectOption(what);
    await expect(code).toHaveText(told);
  }
  await expect(page.getByRole("heading", { name: "Told and observed" })).toBeVisible();
  await expect(page.getByText("Nothing to compare yet")).toBeVisible();
});

test("rows are downloaded in each format", async ({ page }) => {
  await signIn(page, "researcher");
  await expect(page.getByText("at least 10 share")).toBeVisible();
  for (const [label, begins] of [["CSV", "pseudonym,sex"], ["NDJSON", '{"pseudonym"'], ["Parquet", "PAR1"]]) {
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: `Download ${label}` }).click();
    const text = await readFile(await (await saved).path(), "latin1");
    expect(text.startsWith(begins)).toBe(true);
  }
});

test("the page's own code works with a token, and opens nothing else", async ({ page, request }) => {
  await signIn(page, "researcher");
  await page.goto("/tokens");
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByLabel("What it is for").fill(`analysis ${Date.now()}`);
  await page.getByLabel("Read anonymised summaries").check();
  await page.getByRole("button", { name: "Make token" }).click();
  const secret = await page.locator("[data-secret]").innerText();
  await page.goto("/research");
  const code = await page.getByRole("group", { name: "Code" }).innerText();
  const [url] = code.match(/http[^']+/) ?? [""];
  const headers = { authorization: `Bearer ${secret}` };
  const answer = await request.get(url, { headers });
  expect(answer.status()).toBe(200);
  for (const { people } of (await answer.json()).groups) expect(people % 5).toBe(0);
  expect((await request.get("/api/v1/patients", { headers })).status()).toBe(403);
});
