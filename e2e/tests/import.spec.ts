import { readFile } from "node:fs/promises";

import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { enter, PASSWORD, signIn } from "../pages/sign_in.js";

/** A file that somebody chooses. */
const file = (name: string, text: string) => ({ name, mimeType: "text/csv", buffer: Buffer.from(text) });

test("a file with faulty rows is rehearsed, taken without them, and corrected", async ({ page }) => {
  const found = complaints(page);
  const stamp = Date.now();
  const mrn = (letter: string) => `E2E-IMPORT-${letter}-${stamp}`;
  await signIn(page);
  await page.getByRole("link", { name: "Import", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Import", level: 1 })).toBeVisible();

  // Heads of its own: somebody has to say what they mean, and a column of no use is left out.
  const head = `Number ${stamp},Cognome,First name,Date of birth,Sex,Ward`;
  const rows = [
    `${mrn("A")},Imported,Ada,1960-01-31,female,3`,
    `${mrn("B")},Imported,Bea,31/01/1960,female,3`,
    `${mrn("C")},Imported,"Cleo, the third",1970-05-05,unsaid,4`,
    `${mrn("D")},Imported,Dora,1971-06-02,f,4`,
  ];
  const chooser = page.getByLabel(/^CSV or NDJSON/);
  await chooser.setInputFiles(file("ward.csv", [head, ...rows].join("\r\n")));
  await expect(page.getByRole("heading", { name: "No row was looked at yet" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Check the file" })).toBeDisabled();
  await page.getByLabel(`What the column Number ${stamp} holds`).selectOption("mrn");
  await page.getByLabel("What the column Ward holds").selectOption({ label: "Leave it out" });
  await expect(page.getByLabel("What the column Cognome holds")).toHaveValue("family_name");
  await page.getByRole("button", { name: "Check the file" }).click();

  const check = page.getByRole("region", { name: "What would become of it" });
  await expect(check.getByText("2would be taken")).toBeVisible();
  await expect(check.getByText("2faulty")).toBeVisible();
  const wrong = check.getByRole("table", { name: "Faulty rows" });
  await expect(wrong.getByRole("row", { name: /^3 birth_date .*31\/01\/1960/ })).toBeVisible();
  await expect(wrong.getByRole("row", { name: /^4 sex .*Cleo, the third/ })).toBeVisible();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }
  await fitsTelephone(page);
  await page.setViewportSize({ width: 1440, height: 900 });

  const saved = page.waitForEvent("download");
  await check.getByRole("button", { name: "Download the faulty rows" }).click();
  const download = await saved;
  expect(download.suggestedFilename()).toBe("ward-faulty.csv");
  const faulty = await readFile(await download.path(), "utf8");
  expect(faulty.split("\n")[0]).toBe(`"row","what is wrong",${head.split(",").map((one) => `"${one}"`).join(",")}`);
  expect(faulty).toContain('"Cleo, the third"');

  await check.getByRole("button", { name: "Import 2 rows" }).click();
  await expect(page.getByRole("heading", { name: "Done" })).toBeVisible();
  await expect(page.getByText("2 of 2 rows sent")).toHaveRole("status");
  await expect(page.getByText("2taken")).toBeVisible();

  // The same heads are known again; what is on record stays as it is; the corrected row is taken.
  rows[1] = `${mrn("B")},Imported,Bea,1960-01-31,female,3`;
  await chooser.setInputFiles(file("ward.csv", [head, ...rows].join("\n")));
  await expect(check.getByText("1would be taken")).toBeVisible();
  await expect(check.getByText("2on record already")).toBeVisible();
  await check.getByRole("button", { name: "Import 1 row" }).click();
  await expect(page.getByText("1taken")).toBeVisible();
  await page.getByRole("link", { name: "To the patients" }).click();
  await page.getByLabel("Search").fill(String(stamp));
  await expect(page.getByText("3 patients", { exact: true })).toBeVisible();
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("an import that is cut off says so, goes on where it was, and creates nothing twice", async ({ page }) => {
  const stamp = Date.now();
  await signIn(page);
  await page.goto("/import");
  const rows = Array.from({ length: 501 }, (_, row) => `E2E-MANY-${stamp}-${row},Many,Mia,1960-01-31,f`);
  const text = ["mrn,family_name,given_name,birth_date,sex", ...rows].join("\n");
  await page.getByLabel(/^CSV or NDJSON/).setInputFiles(file("many.csv", text));
  // What was chosen has been rehearsed, by requests to the same address.
  const begin = page.getByRole("button", { name: "Import 501 rows" });
  await expect(begin).toBeEnabled();
  let asked = 0;
  // The second piece is taken, but its answer is lost.
  await page.route("**/api/v1/patients/import*", async (route) => {
    asked += 1;
    if (asked === 2) {
      await route.fetch();
      await route.abort();
    } else {
      await route.continue();
    }
  });
  await begin.click();
  await expect(page.getByRole("heading", { name: "Not finished" })).toBeVisible();
  await expect(page.getByText("500 of 501 rows sent")).toBeVisible();
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByRole("heading", { name: "Done" })).toBeVisible();
  await expect(page.getByText("500taken")).toBeVisible();
  await expect(page.getByText("1on record already")).toBeVisible();
});

test("a file that is no UTF-8 is refused", async ({ page }) => {
  await page.goto("/import");
  await enter(page, "clinician@example.org", PASSWORD);
  const buffer = Buffer.from("mrn,family_name\n1,M\u00fcller\n", "latin1");
  await page.getByLabel(/^CSV or NDJSON/).setInputFiles({ name: "old.csv", mimeType: "text/csv", buffer });
  await expect(page.getByRole("alert")).toContainText("not UTF-8");
});

test("the import is for those who change records", async ({ page }) => {
  await signIn(page, "admin");
  await page.goto("/import");
  await expect(page.getByText("This page is not for your role")).toBeVisible();
});
