// Calls of clients from npm; `node calls.mjs SERVICE_URL GATEWAY_URL ENGINE_URL NAME` prints one line of JSON for each.
// Run in a folder whose node_modules has the packages; NAME is elasticsearch or opensearch.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "calls.mjs"));
const [service, gateway, engine, name] = process.argv.slice(2);
const words = "how long is green tea steeped";
const texts = ["Tides follow the moon.", "Green tea is steeped for two minutes.", "A cat purrs when it is calm."];
const body = { query: { match: { text: words } } };
const ranked = (hit) => "relsearch.rank" in (hit.fields ?? {});

const calls = {
  elasticsearch: [
    ["cohere-ai", "CohereClientV2.rerank", async () => {
      const { CohereClientV2 } = require("cohere-ai");
      const client = new CohereClientV2({ token: "key", environment: service });
      const found = await client.rerank({ model: "rerank-v3.5", query: words, documents: texts });
      return found.results[0].index === 1;
    }],
    ["cohere-ai", "CohereClient.rerank (v1)", async () => {
      const { CohereClient } = require("cohere-ai");
      const client = new CohereClient({ token: "key", environment: service });
      const documents = texts.map((text) => ({ body: text }));
      const found = await client.rerank({ query: words, documents, rankFields: ["body"], returnDocuments: true });
      return found.results[0].index === 1;
    }],
    ["@elastic/elasticsearch", "Client.search", async () => {
      const { Client } = require("@elastic/elasticsearch");
      const client = new Client({ node: gateway });
      return ranked((await client.search({ index: "tea", ...body })).hits.hits[0]);
    }],
    ["@elastic/elasticsearch", "Client.msearch, compressed", async () => {
      const { Client } = require("@elastic/elasticsearch");
      const client = new Client({ node: gateway, compression: true });
      const found = await client.msearch({ searches: [{ index: "tea" }, body, { index: "tea" }, body] });
      return found.responses.every((each) => ranked(each.hits.hits[0]));
    }],
    ["@elastic/elasticsearch", "Client.search, sniffing", async () => {
      const { Client } = require("@elastic/elasticsearch");
      const client = new Client({ node: gateway, sniffOnStart: true });
      return ranked((await client.search({ index: "tea", ...body })).hits.hits[0]);
    }],
    ["@searchkit/api", "handleRequest", async () => {
      const API = require("@searchkit/api").default;
      const attributes = { search_attributes: ["text"], result_attributes: ["text"], highlight_attributes: [] };
      const ids = async (host) => {
        const api = API({ connection: { host }, search_settings: { ...attributes, facet_attributes: [] } });
        const found = await api.handleRequest([{ indexName: "tea", params: { query: words, facets: [] } }]);
        return found.results[0].hits.map((hit) => hit.objectID).join();
      };
      const [own, through] = [await ids(engine), await ids(gateway)];
      return own !== through && own.split(",").sort().join() === through.split(",").sort().join();
    }],
  ],
  opensearch: [
    ["@opensearch-project/opensearch", "Client.search", async () => {
      const { Client } = require("@opensearch-project/opensearch");
      const client = new Client({ node: gateway });
      return ranked((await client.search({ index: "tea", body })).body.hits.hits[0]);
    }],
    ["@opensearch-project/opensearch", "Client.msearch", async () => {
      const { Client } = require("@opensearch-project/opensearch");
      const client = new Client({ node: gateway });
      const found = await client.msearch({ body: [{ index: "tea" }, body, { index: "tea" }, body] });
      return found.body.responses.every((each) => ranked(each.hits.hits[0]));
    }],
  ],
};

for (const [client, called, work] of calls[name]) {
  const { version } = JSON.parse(readFileSync(join("node_modules", client, "package.json")));
  const row = { client, version, called, works: false, said: "" };
  try {
    row.works = await work();
    row.said = row.works ? "" : "another order than expected";
  } catch (error) {
    row.said = String(error).slice(0, 300);
  }
  console.log(JSON.stringify(row));
}
process.exit(0);
