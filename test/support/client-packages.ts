// Where tests find the packages of test/clients, or why they are skipped.

import { getClients } from "./get-clients.ts";
import { requirement } from "./requirements.ts";
import { skip as skipEnvoy } from "./start-stack.ts";

const found = await requirement(() => getClients());

/** For `loadClient`; empty when tests are skipped. */
export const clientsFolder = found.value ?? "";

/** Why tests with Envoy and these clients are skipped, or false. */
export const skip: string | false = skipEnvoy !== false ? skipEnvoy : found.skip;
