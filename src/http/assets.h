/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_ASSETS_H
#define KUDEV_HTTP_ASSETS_H

/* What the status page is dressed in. Constant; thread: any. */

/* Light or dark as the reader's system is; on a narrow screen rows of tables become cards. */
extern const char asset_style[];

/* Puts a new picture in the place of the old one now and then, while somebody looks. */
extern const char asset_script[];

#endif
