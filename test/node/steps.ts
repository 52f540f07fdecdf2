// The steps of the cluster test, in the order in which they run. Inside the node's network: see cluster.ts.

import { keepLogs } from "./logs.ts";
import "./install.ts";
import "./traffic.ts";
import "./operations.ts";
import "./secrecy.ts";

keepLogs();
