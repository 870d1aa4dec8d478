// Opsgenie's client for Node, unmodified: does the steps that the first argument lists, [[resource, function, ...]],
// one after the other, and prints the answers as a JSON list of {error, result}.
const opsgenie = require("opsgenie-sdk");

opsgenie.configure({ host: process.env.OPSGENIE_HOST, api_key: process.env.OPSGENIE_KEY });

async function main() {
  const answers = [];
  for (const [resource, name, ...words] of JSON.parse(process.argv[2])) {
    answers.push(
      await new Promise((resolve) => {
        opsgenie[resource][name](...words, {}, (error, result) => resolve({ error, result }));
      }),
    );
  }
  process.stdout.write(JSON.stringify(answers));
}

main();
