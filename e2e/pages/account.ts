import { expect, type APIRequestContext } from "@playwright/test";

import { PASSWORD } from "./sign_in.js";

export interface Account {
  email: string;
  password: string;
}

/**
 * A clinician's account of its own, for what would change the demo account under the tests that run
 * at the same time.
 */
export async function newClinician(request: APIRequestContext): Promise<Account> {
  const email = `e2e.${Date.now()}.${Math.floor(Math.random() * 1e6)}@example.org`;
  const password = "seven lazy otters juggle";
  const admin = await request.post("/api/v1/auth/login", {
    data: { email: "admin@example.org", password: PASSWORD },
  });
  const headers = { Authorization: `Bearer ${(await admin.json()).access_token}` };
  const data = { email, display_name: "Ada Testwell", role: "clinician" };
  const made = await request.post("/api/v1/users", { headers, data });
  expect(made.status()).toBe(201);
  const token = (await made.json()).password_link.path.split("#")[1];
  const set = await request.post("/api/v1/auth/set-password", { data: { token, password } });
  expect(set.ok()).toBe(true);
  return { email, password };
}
