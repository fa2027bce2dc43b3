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

/** Signs in with a demo account, and waits until that is done. */
export async function signIn(page: Page, role: Role = "clinician"): Promise<void> {
  await page.goto("/sign-in");
  await enter(page, `${role}@example.org`, PASSWORD);
  await expect(page.getByRole("button", { name: "Sign in" })).toHaveCount(0);
}
