/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "base/text.h"
#include "rpc/internal.h"

struct rpc_message *rpc_message_new(const ProtobufCMessage *content)
{
	struct rpc_message *message = mem_zero(sizeof(*message));

	message->slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(content));
	protobuf_c_message_pack(content, GRPC_SLICE_START_PTR(message->slice));
	return message;
}

struct rpc_message *rpc_message_free(struct rpc_message *message)
{
	if (!message)
		return NULL;
	grpc_slice_unref(message->slice);
	free(message);
	return NULL;
}

size_t rpc_message_size(const struct rpc_message *message)
{
	return GRPC_SLICE_LENGTH(message->slice);
}

grpc_byte_buffer *rpc_message_buffer(const struct rpc_message *message)
{
	grpc_slice slice = message->slice;

	return grpc_raw_byte_buffer_create(&slice, 1);
}

grpc_slice rpc_buffer_slice(grpc_byte_buffer *buffer)
{
	grpc_byte_buffer_reader reader;
	grpc_slice slice;

	if (!buffer || !grpc_byte_buffer_reader_init(&reader, buffer))
		return grpc_empty_slice();
	slice = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	return slice;
}

static bool message_is_utf8(const ProtobufCMessage *message);

static bool item_is_utf8(const ProtobufCFieldDescriptor *field, const void *item)
{
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		const char *const *text = item;

		return text_is_utf8(*text);
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *const *message = item;

		return !*message || message_is_utf8(*message);
	}
	return true;
}

static bool field_is_utf8(const ProtobufCMessage *message,
			  const ProtobufCFieldDescriptor *field)
{
	const char *base = (const char *)message;
	const char *value = base + field->offset;
	size_t count;

	if (field->type != PROTOBUF_C_TYPE_STRING &&
	    field->type != PROTOBUF_C_TYPE_MESSAGE)
		return true;
	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return item_is_utf8(field, value);

	memcpy(&count, base + field->quantifier_offset, sizeof(count));
	memcpy(&value, (const void *)value, sizeof(value));
	for (size_t i = 0; i < count; i++) {
		if (!item_is_utf8(field, value + i * sizeof(void *)))
			return false;
	}
	return true;
}

/* proto3 strings must be UTF-8, which protobuf-c leaves to its users to check. */
static bool message_is_utf8(const ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		if (!field_is_utf8(message, &message->descriptor->fields[i]))
			return false;
	}
	return true;
}

ProtobufCMessage *rpc_message_decode(const ProtobufCMessageDescriptor *type,
				     const void *bytes, size_t size)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, size, bytes);

	if (message && !message_is_utf8(message)) {
		protobuf_c_message_free_unpacked(message, NULL);
		return NULL;
	}
	return message;
}
