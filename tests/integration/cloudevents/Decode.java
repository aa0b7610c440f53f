import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.kafka.KafkaMessageFactory;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** Records as JSON lines in; what the CloudEvents SDK for Java makes of them out. */
public final class Decode {
  public static void main(String[] arguments) throws Exception {
    ObjectMapper json = new ObjectMapper();
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode record = json.readTree(line);
      RecordHeaders headers = new RecordHeaders();
      record
          .get("headers")
          .properties()
          .forEach(
              header ->
                  headers.add(
                      header.getKey(),
                      header.getValue().textValue().getBytes(StandardCharsets.UTF_8)));
      byte[] value = Base64.getDecoder().decode(record.get("value").textValue());
      CloudEvent event = KafkaMessageFactory.createReader(headers, value).toEvent();
      ObjectNode found = json.createObjectNode();
      for (String name : event.getAttributeNames()) {
        found.put(name, String.valueOf(event.getAttribute(name)));
      }
      for (String name : event.getExtensionNames()) {
        found.put(name, String.valueOf(event.getExtension(name)));
      }
      found.set("data", json.readTree(event.getData().toBytes()));
      System.out.println(json.writeValueAsString(found));
    }
  }

  private Decode() {}
}
