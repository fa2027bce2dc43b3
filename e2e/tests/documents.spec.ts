import { readFileSync } from "node:fs";

import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { persona, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

const PDF = Buffer.from(
  "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
);
/** One grey pixel. */
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==",
  "base64",
);

/** What every DICOM file begins with. */
const DICOM = Buffer.concat([Buffer.alloc(128), Buffer.from("DICM\x02\x00\x00\x00UL\x04\x00\x00\x00\x00\x00")]);

test("documents are added, shown, saved and removed", async ({ page }) => {
  const found = complaints(page);
  await page.addInitScript(() => {
    const revoked: string[] = [];
    Object.assign(window, { revoked });
    const revoke = URL.revokeObjectURL.bind(URL);
    URL.revokeObjectURL = (address) => {
      revoked.push(address);
      revoke(address);
    };
  });
  await signIn(page);
  await register(page, { ...persona(`E2E-DOC-${Date.now()}`), family: "Papers" });
  await page.getByRole("link", { name: "Documents" }).click();
  await expect(page.getByRole("heading", { name: "No documents yet" })).toBeVisible();
  await page.getByLabel("What they are").selectOption("letter");
  await page.getByLabel("Files").setInputFiles([
    { name: "letter.pdf", mimeType: "application/pdf", buffer: PDF },
    { name: "ultrasound.png", mimeType: "image/png", buffer: PNG },
  ]);
  const list = page.getByRole("region", { name: "Documents of the record" });
  await expect(list.getByRole("listitem")).toHaveCount(2);
  await expect(list).toContainText("Letter · PDF, 1 KiB");
  expect(await barriers(page)).toEqual([]);

  await list.getByRole("button", { name: "Show ultrasound.png" }).click();
  const picture = page.getByRole("img", { name: "ultrasound.png" });
  await expect(picture).toBeVisible();
  expect(await picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1);
  await page.getByRole("button", { name: "Close" }).click();

  await list.getByRole("button", { name: "Show letter.pdf" }).click();
  const reader = page.locator("iframe[title='letter.pdf']");
  await expect(reader).toBeVisible();
  const address = (await reader.getAttribute("src")) ?? "";
  expect(address).toMatch(/^blob:/);
  // The browser's reader has taken the frame: the policy would have left it empty.
  await expect.poll(() => page.frames().filter((frame) => frame.url() === address).length).toBeGreaterThan(0);
  await page.getByRole("button", { name: "Close" }).click();
  await expect(reader).toHaveCount(0);
  // Its address is given back.
  expect(await page.evaluate(() => (window as unknown as { revoked: string[] }).revoked)).toContain(address);

  const saved = page.waitForEvent("download");
  await list.getByRole("button", { name: "Save letter.pdf" }).click();
  expect(readFileSync(await (await saved).path())).toEqual(PDF);

  await list.getByRole("button", { name: "Remove letter.pdf" }).click();
  await page.getByRole("button", { name: "Remove the document" }).click();
  await expect(list.getByRole("listitem")).toHaveCount(1);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await barriers(page)).toEqual([]);
  await fitsTelephone(page);
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("files are dropped on the page; what browsers cannot show can only be saved", async ({ page }) => {
  await signIn(page);
  await register(page, { ...persona(`E2E-DOC-DROP-${Date.now()}`), family: "Dropper" });
  await page.getByRole("link", { name: "Documents" }).click();
  await expect(page.getByRole("heading", { name: "No documents yet" })).toBeVisible();
  const dropped = await page.evaluateHandle((bytes) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(bytes)], "scan.dcm", { type: "application/dicom" }));
    return files;
  }, [...DICOM]);
  await page.getByRole("region", { name: "Add documents" }).dispatchEvent("drop", { dataTransfer: dropped });
  const list = page.getByRole("region", { name: "Documents of the record" });
  await expect(list.getByRole("listitem")).toContainText("cannot show this kind of file");
  await expect(list.getByRole("button", { name: "Show scan.dcm" })).toHaveCount(0);
  await expect(list.getByRole("button", { name: "Save scan.dcm" })).toBeVisible();
});

test("what is no document is refused by name, and the rest is taken", async ({ page }) => {
  await signIn(page);
  await register(page, { ...persona(`E2E-DOC-BAD-${Date.now()}`), family: "Poser" });
  await page.getByRole("link", { name: "Documents" }).click();
  await page.getByLabel("Files").setInputFiles([
    { name: "photo.png", mimeType: "image/png", buffer: Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>") },
    { name: "large.pdf", mimeType: "application/pdf", buffer: Buffer.alloc(26 * 1024 * 1024, "x") },
    { name: "scan.png", mimeType: "image/png", buffer: PNG },
  ]);
  const adding = page.getByRole("region", { name: "Add documents" });
  await expect(adding.getByRole("listitem").filter({ hasText: "photo.png" })).toContainText("PDF, PNG, JPEG");
  await expect(adding.getByRole("listitem").filter({ hasText: "large.pdf" })).toContainText("too large");
  const list = page.getByRole("region", { name: "Documents of the record" });
  await expect(list.getByRole("listitem")).toHaveCount(1);
});

test("a patient sees the documents of their own record and adds none", async ({ page }) => {
  await signIn(page, "patient");
  await page.goto("/my-record");
  const documents = page.getByRole("region", { name: "Your documents" });
  await expect(documents).toContainText("There are no documents in your record.");
  await page.goto("/");
  await page.getByRole("link", { name: "My record" }).click();
  const record = await page.getByRole("link", { name: "Print on one page" }).getAttribute("href");
  await page.goto(`${record?.replace("report", "documents")}`);
  await expect(page.getByRole("heading", { name: "Documents", level: 1 })).toBeVisible();
  await expect(page.getByLabel("Files")).toHaveCount(0);
});
