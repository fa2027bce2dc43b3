import { expect, type Page } from "@playwright/test";

/** The password of all demo accounts. */
export const PASSWORD = "nephrocast-demo";

export type Role = "admin" | "clinician" | "researcher" | "patient";

/** Fills in the sign-in form and sends it. */
export async function enter(page: Page, email: string, password: string): Promise<void> {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/**
 * Signs in with a demo account, and waits for the first page of the role: another program may have
 * to load for it, and going elsewhere meanwhile would interrupt that.
 */
export async function signIn(page: Page, role: Role = "clinician"): Promise<void> {
  await page.goto("/sign-in");
  await enter(page, `${role}@example.org`, PASSWORD);
  await page.waitForURL((address) => !["/", "/sign-in"].includes(address.pathname));
  await expect(page.locator("h1", { hasNotText: "Nephrocast" })).toBeVisible();
}
