// The official Node client, unmodified; prints one JSON object of what it saw.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.TOKEN, maxRetries: 0 });
const says = (content) => [{ role: "user", content }];
const tools = [
  {
    type: "function",
    function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
  },
];
const seen = {};

const answer = await client.chat.completions.create({ model: "gpt-4o", messages: says("hello") });
seen.chat = answer.choices[0].message.content;
seen.requestId = answer._request_id.length;

seen.stream = "";
for await (const chunk of await client.chat.completions.create({
  model: "gpt-4o",
  messages: says("hello"),
  stream: true,
  stream_options: { include_usage: true },
})) {
  seen.stream += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.usage) seen.usage = chunk.usage.total_tokens;
}

const final = await client.chat.completions
  .stream({ model: "gpt-4o", messages: says("weather"), tools })
  .finalChatCompletion();
seen.tools = final.choices[0].message.tool_calls.map((call) => [call.id, JSON.parse(call.function.arguments).city]);

const vectors = await client.embeddings.create({ model: "text-embedding-3-small", input: "vector me" });
seen.embedding = vectors.data[0].embedding;

seen.models = [];
for await (const model of client.models.list()) {
  if (["gpt-4o", "text-embedding-3-small"].includes(model.id)) seen.models.push(model.id); // and the provider's own
}

seen.errors = {};
for (const status of [400, 401, 404, 429, 500, 503]) {
  try {
    await client.chat.completions.create({ model: "gpt-4o", messages: says(`status ${status}`) });
  } catch (problem) {
    seen.errors[status] = [problem.constructor.name, problem.code];
  }
}
try {
  for await (const _ of await client.chat.completions.create({
    model: "gpt-4o",
    messages: says("cut off"),
    stream: true,
  }));
} catch (problem) {
  seen.cut = [problem.constructor.name, problem.code];
}
console.log(JSON.stringify(seen));
